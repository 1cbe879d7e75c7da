"""Taking a release back from the devices that have it: who is ordered when, what stops it, and when it is over. Pure.

Promises: it goes in the shares that the policy states, each after the one before is back; who could not go back stops
it for a person where the policy says so; lost and sleeping devices hold nobody up, and the last share reaches those
that sleep (the order waits for them); it ends, or the rollout's reason says what it waits for. Source: DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from surefoot_server.rollouts.decisions import BakeBack, Decision, EndRevert, HoldBack, NextBack, SendBack
from surefoot_server.rollouts.facts import BackFact, MemberFact, Watch
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.strategy import Strategy
from surefoot_shared.status import AttemptState, Outcome

GOT_BACK = frozenset({Outcome.COMMITTED, Outcome.SUPERSEDED, Outcome.CANCELLED})
"""Ends of an order to go back that say nothing against it."""


@dataclass(frozen=True, slots=True)
class _Count:
    """Orders to go back so far: how many, how many of them ended, and how many of those badly."""

    ordered: int
    ended: int
    bad: int


def take_back(policy: Policy, watch: Watch) -> Iterator[Decision]:
    """What is to be done now for the devices that have the release; nothing while others are at it."""
    facts, way, stage = watch.facts, policy.way_back, watch.facts.back.stage
    back = [m for m in facts.members if must_go_back(m)]
    count = counted(watch)
    why = way.stopped(count.bad - facts.back.acknowledged, count.ended)
    if why and not facts.back.held:
        yield HoldBack(stage, f"the way back is held: {why}; `resume` lets it go on")
        return
    orders = [] if facts.back.held or facts.unsigned else _orders(policy, watch, back, count)
    together = policy.strategy is Strategy.BLUE_GREEN
    for member in orders:
        why = f"the rollout is reverting and it is {_where(member)}"
        yield SendBack(member.device, why, together or not policy.orders_switch)
    if not orders and not _at_it(watch):
        yield from _next(policy, watch, back)


def goes_in_shares(policy: Policy, back: BackFact) -> bool:
    """Whether it matters now how many are still to be ordered back: the last share takes whoever is left."""
    return policy.strategy is not Strategy.BLUE_GREEN and not policy.way_back.is_last(back.stage)


def counted(watch: Watch) -> _Count:
    orders = [m.revert.outcome for m in watch.facts.members if m.revert is not None]
    others = watch.facts.others.reverts
    ended = sum(others.values()) + sum(1 for outcome in orders if outcome is not None)
    bad = sum(n for outcome, n in others.items() if outcome not in GOT_BACK)
    bad += sum(1 for outcome in orders if outcome is not None and outcome not in GOT_BACK)
    return _Count(len(orders) + sum(others.values()), ended, bad)


def must_go_back(member: MemberFact) -> bool:
    """It has the release, or may have it, and was not ordered back."""
    if member.attempt is None or member.revert is not None or not member.has_previous or member.claimed_by:
        return False
    attempt = member.attempt
    if attempt.outcome is None:
        return attempt.past_the_switch and attempt.state is not AttemptState.REVERTING
    return member.runs_release or attempt.outcome in (Outcome.COMMITTED, Outcome.LOST)


def _orders(policy: Policy, watch: Watch, back: list[MemberFact], count: _Count) -> list[MemberFact]:
    """Those awake within the share and the budget; in the last share those asleep at once, since the order waits.

    Lost ones use up no budget here: who is gone keeps nobody on a release that is taken back.
    """
    way, stage = policy.way_back, watch.facts.back.stage
    awake, asleep = [m for m in back if m.online], [m for m in back if not m.online]
    if policy.strategy is Strategy.BLUE_GREEN:
        return [*awake, *asleep]
    total = count.ordered + len(awake) + watch.facts.others.awake_to_go_back
    free = min(policy.max_concurrent - _busy(watch), way.quota(stage, total) - count.ordered)
    return [*awake[: max(0, free)], *(asleep if way.is_last(stage) else [])]


def _next(policy: Policy, watch: Watch, back: list[MemberFact]) -> Iterator[Decision]:
    """The share is back, or there is nobody else awake in it."""
    facts, way, stage = watch.facts, policy.way_back, watch.facts.back.stage
    if not back and not facts.others.awake_to_go_back:
        yield EndRevert(_went_back(watch))
    elif facts.back.held or way.is_last(stage):
        return
    elif facts.back.baking_at is None and way.stages[stage].bake_s:
        yield BakeBack(stage, f"{way.name(stage)} of the devices are back; the others follow in a while")
    elif facts.back.baking_at is None or _baked(policy, watch):
        yield NextBack(stage + 1, f"{way.name(stage)} of the devices are back, now up to {way.name(stage + 1)}")


def _baked(policy: Policy, watch: Watch) -> bool:
    since = watch.facts.back.baking_at
    assert since is not None
    stage = policy.way_back.stages[watch.facts.back.stage]
    return watch.facts.outages.elapsed_s(since, watch.now) >= stage.bake_s


def _at_it(watch: Watch) -> bool:
    return any(m.online and (watch.busy(m, m.attempt) or watch.busy(m, m.revert)) for m in watch.facts.members)


def _busy(watch: Watch) -> int:
    return sum(1 for m in watch.facts.members if watch.busy(m, m.attempt) or watch.busy(m, m.revert))


def _where(member: MemberFact) -> str:
    attempt = member.attempt
    assert attempt is not None
    return attempt.outcome.value if attempt.outcome is not None else f"in {attempt.state.value}"


def _went_back(watch: Watch) -> str:
    facts, count = watch.facts, counted(watch)
    ordered = [m.revert.outcome for m in facts.members if m.revert is not None]
    asleep, reverts = ordered.count(None), facts.others.reverts
    back = ordered.count(Outcome.COMMITTED) + reverts.get(Outcome.COMMITTED, 0)
    kept = facts.others.kept + sum(1 for m in facts.members if m.runs_release and not m.has_previous)
    parts = [f"{back} of {count.ordered} devices are back on their previous release"] if count.ordered else []
    parts += [f"{asleep} go back when they wake"] if asleep else []
    parts += [f"{count.ordered - back - asleep} could not"] if count.ordered > back + asleep else []
    parts += [f"{kept} have no earlier release that they may go back to, and keep it"] if kept else []
    return ", ".join(parts) or "no device had to be taken back"
