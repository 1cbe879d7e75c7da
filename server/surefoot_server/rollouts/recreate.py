"""Recreate: what a policy states of it, what a person must confirm, and who has to be given back what it gave up. Pure.

Promises: a policy that recreates states for how long a device may be blind, and a device that is blind for longer has
failed; whoever gave up its release and could not start the new one is ordered the one before, whatever state the
rollout is in, for it has nothing of its own to go back to. Source: DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from surefoot_server.rollouts.decisions import SendBack
from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.facts import AttemptFact, MemberFact, Watch
from surefoot_server.rollouts.strategy import Strategy
from surefoot_shared.status import Outcome

ENDED_WITH_NOTHING = frozenset({Outcome.FAILED, Outcome.REVERTED, Outcome.CANCELLED})
"""A lost device may still start the new release; a refused one gave up nothing, a superseded one has another order."""


@dataclass(frozen=True, slots=True)
class Recreate:
    """`blind_time_s`: from giving up the old release to the start of the new one, at most."""

    blind_time_s: float

    @property
    def words(self) -> tuple[str, str]:
        """What an operator must know before it starts."""
        span = span_of(self.blind_time_s)
        return (
            f"A device without room for two releases is blind from giving up its release until the new one runs: "
            f"for at most {span}, after which it counts as failed.",
            "It cannot go back by itself then: after a failure the release before is fetched from the server again.",
        )


def parse(field: Field, strategy: Strategy) -> Recreate | None:
    """Read `rollout.recreate`; raises Invalid where the strategy needs it and it is missing, or the other way round."""
    stated = None
    if not field.absent:
        stated = Recreate(field.mapping("blind_time")["blind_time"].required().duration_s(1200.0, low=1.0))
    if strategy is Strategy.RECREATE and stated is None:
        raise field.wrong("recreate needs it: {blind_time: 20m} says for how long a device may run nothing")
    if strategy is not Strategy.RECREATE and stated is not None:
        raise field.wrong("only the strategy recreate has a blind time")
    return stated


def blind_s(watch: Watch, attempt: AttemptFact) -> float:
    """Seconds for which the device has run nothing by now; 0 where it runs something."""
    if attempt.vacated_at is None or attempt.outcome is not None or attempt.past_the_switch:
        return 0.0
    return watch.facts.outages.elapsed_s(attempt.vacated_at, watch.now)


def given_back(watch: Watch) -> Iterator[SendBack]:
    """Orders for those that run nothing."""
    for member in watch.facts.members:
        if _has_nothing(member):
            assert member.attempt is not None
            assert member.attempt.outcome is not None
            why = f"it gave up its release and {member.attempt.outcome.value}: the one before is fetched again"
            yield SendBack(member.device, why)


def _has_nothing(member: MemberFact) -> bool:
    attempt = member.attempt
    if attempt is None or attempt.vacated_at is None or attempt.outcome not in ENDED_WITH_NOTHING:
        return False
    return member.revert is None and member.has_previous and not member.claimed_by and not member.runs_release


def span_of(seconds: float) -> str:
    """`20 min`, `2 h`."""
    for unit, size_s in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size_s and seconds % size_s == 0:
            return f"{seconds / size_s:g} {unit}"
    return f"{seconds:g} s"
