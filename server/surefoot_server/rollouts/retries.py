"""Another try for a device whose attempt failed at something that passes: per class of failure, with back-off. Pure.

Promises: only what says nothing of the release is tried again by itself: a release that a health check turned down is
evidence, and is judged. A failure that has a try left counts in no phase; the last one does. What the server itself
refused, or what failed while it or its broker was down, uses up no try. Source: DESIGN §8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from surefoot_server.rollouts.decisions import Recall, Retry
from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact
from surefoot_shared.status import Outcome

ENDS = frozenset({Outcome.FAILED, Outcome.REFUSED, Outcome.REVERTED})
"""Outcomes that a kind of failure comes with."""
SHADOW_S = 900.0
"""An outage of ours that lies within so long before a download failed may be why it did."""
DOUBLINGS = 10
"""More would be longer than any `longest` allows."""


class Failure(str, Enum):
    """A class of kinds that devices report (docs/reference/errors.md); kinds of no class are never tried again."""

    DOWNLOAD = "download"
    """What was fetched was wrong, missing or too slow."""
    STORAGE = "storage"
    """The disk was full, or did not take it."""
    STALLED = "stalled"
    """Connected, and no progress for `timeouts.step`."""
    SWITCH = "switch"
    """The board did not switch or did not keep it, or the agent gave no verdict: the release was not looked at."""
    SERVER = "server"
    """The server's own refusals and outages: never counted, always tried again."""


KINDS_OF: Mapping[Failure, tuple[str, ...]] = {
    Failure.DOWNLOAD: ("artifact_corrupt", "artifact_missing", "too_slow"),
    Failure.STORAGE: ("no_space", "slot_write_failed", "slot_corrupt", "slot_in_use"),
    Failure.STALLED: ("step_timeout",),
    Failure.SWITCH: ("boot_control_failed", "switch_had_no_effect", "restart_failed", "no_verdict", "commit_lost"),
    Failure.SERVER: ("unreachable", "busy", "too_many", "lease_expired"),
}
CLASS_OF = {kind: failure for failure, kinds in KINDS_OF.items() for kind in kinds}
DOING = {
    Failure.DOWNLOAD: "its download failed",
    Failure.STORAGE: "its disk did not take it",
    Failure.STALLED: "it got nowhere",
    Failure.SWITCH: "its switch did not come about",
    Failure.SERVER: "the server had no time for it",
}
OF_THE_WAY = frozenset({Failure.DOWNLOAD, Failure.STALLED})
"""Classes that an outage of ours explains."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How many more tries each class gets; the first waits `backoff_s`, each further one twice as long."""

    download: int = 0
    storage: int = 0
    stalled: int = 0
    switch: int = 0
    backoff_s: float = 300.0
    longest_s: float = 6 * 3600.0

    def of(self, failure: Failure) -> int:
        """Tries beyond the first; not asked of the server's own."""
        return int(getattr(self, failure.value))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of failure after which there may be another try."""
        asked = [f for f in Failure if f is Failure.SERVER or self.of(f)]
        return tuple(kind for failure in asked for kind in KINDS_OF[failure])


def parse(field: Field) -> Retries:
    """Read the `retry` part of a policy; raises Invalid naming line and field."""
    default = Retries()
    fields = field.mapping("download", "storage", "stalled", "switch", "backoff", "longest")
    found = Retries(
        download=fields["download"].integer(default.download, low=0, high=100),
        storage=fields["storage"].integer(default.storage, low=0, high=100),
        stalled=fields["stalled"].integer(default.stalled, low=0, high=100),
        switch=fields["switch"].integer(default.switch, low=0, high=100),
        backoff_s=fields["backoff"].duration_s(default.backoff_s, low=1.0),
        longest_s=fields["longest"].duration_s(default.longest_s, low=1.0),
    )
    if found.longest_s < found.backoff_s:
        raise fields["longest"].wrong("the longest back-off is shorter than the first")
    return found


def again(retries: Retries, facts: Facts, now: datetime) -> Iterator[Retry]:
    """Whoever failed at something that passes and has a try left."""
    for member in facts.members:
        attempt = member.attempt
        if attempt is None or attempt.outcome not in ENDS or member.claimed_by or member.revert is not None:
            continue
        if attempt.vacated_at is not None:
            continue  # it runs nothing: the release before comes first, and another try is a person's to order
        if (found := CLASS_OF.get(attempt.reason or "")) is not None:
            yield from _again(retries, facts, member, attempt, found, now)


def with_again(facts: Facts, decided: Iterable[Retry | Recall], now: datetime) -> Facts:
    """The facts as they will be once these are applied: their attempts count nowhere, their turn comes later."""
    by_device = {retry.device: retry for retry in decided}
    if not by_device:
        return facts

    def waits(member: MemberFact) -> MemberFact:
        retry = by_device.get(member.device)
        if retry is None:
            return member
        at = now + timedelta(seconds=retry.wait_s)
        return replace(member, attempt=None, tries=counted(member.tries, retry.failure), retry_at=at)

    return replace(facts, members=tuple(waits(member) for member in facts.members))


def counted(tries: Mapping[str, int], failure: str) -> dict[str, int]:
    """The tries with one more of this class."""
    return {**tries, failure: tries.get(failure, 0) + 1}


def words(tries: Mapping[str, int]) -> str:
    """How often it was tried again, and what for: `2 × download, 1 × storage`."""
    return ", ".join(f"{count} × {failure}" for failure, count in sorted(tries.items()))


def _again(
    retries: Retries, facts: Facts, member: MemberFact, attempt: AttemptFact, found: Failure, now: datetime
) -> Iterator[Retry]:
    ours = found is Failure.SERVER or (found in OF_THE_WAY and _in_the_shadow(facts, attempt, now))
    used = member.tries.get(found.value, 0)
    if not ours and used >= retries.of(found):
        return
    wait_for_s = wait_s(retries, member)
    told = f"{DOING[found]} ({attempt.reason})"
    if ours:
        told += "; that counts for nothing, since the server was away or refused it"
    else:
        told += f"; retry {used + 1} of {retries.of(found)}"
    yield Retry(
        member.device,
        f"{told}, at the earliest in {_span(wait_for_s)}",
        (Failure.SERVER if ours else found).value,
        wait_for_s,
    )


def _in_the_shadow(facts: Facts, attempt: AttemptFact, now: datetime) -> bool:
    ended = attempt.ended_at or now
    begun = max(attempt.offered_at, ended - timedelta(seconds=SHADOW_S))
    return any(began < ended and over > begun for began, over in facts.outages.spans)


def wait_s(retries: Retries, member: MemberFact) -> float:
    """Doubled with each try, and spread over a quarter: devices that failed together do not come back together."""
    before = sum(member.tries.values())
    drawn = hashlib.sha256(f"{member.device}\x00{before}".encode()).digest()[0] / 255
    return min(retries.longest_s, retries.backoff_s * 2.0 ** min(before, DOUBLINGS)) * (0.75 + drawn / 4)


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
