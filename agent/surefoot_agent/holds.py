"""What the application does to hold a switch back: a lock with an owner and a bounded life, and a bounded deferral.

Promises: pure; a lock ends with its owner (the start of the application that took it), with its time, or with the boot
it was taken in, so an application that died holding one blocks nothing; deferrals of one assignment never add up to
more than the policy's bound, after which the turn comes whatever the application says. A person's lock is kept apart
and has no bound. Times are monotonic seconds of one boot; wall-clock text is for people only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from surefoot_shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, as the device knows it: `at` is text for people."""

    monotonic: float
    boot_id: str
    at: str


@dataclass(frozen=True, slots=True)
class Lock:
    """`start` is the start id of the application that took it."""

    start: str
    since_at: str
    until_monotonic: float
    boot_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deferral:
    """`granted_s` is all that was granted for this assignment, over every call and every boot."""

    assignment: str
    until_monotonic: float
    boot_id: str
    granted_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Holds:
    """What the journal keeps of the application's wishes for one component."""

    lock: Lock | None = None
    deferral: Deferral | None = None


def locked(holds: Holds, start: str, for_s: float, reason: str, now: Moment) -> Holds:
    """Take or renew the lock; the time it is held since stays while the owner is the same."""
    before = holds.lock
    since_at = before.since_at if before is not None and before.start == start else now.at
    return replace(holds, lock=Lock(start, since_at, now.monotonic + for_s, now.boot_id, reason))


def deferred(
    holds: Holds, assignment: str, for_s: float, reason: str, now: Moment, most_s: float
) -> tuple[Holds, float]:
    """Put the switch to `assignment` off for `for_s` from now; return what holds and the seconds really granted.

    Asking again extends, never shortens. Raises Conflict once nothing is left of `most_s`.
    """
    before = holds.deferral
    if before is None or before.assignment != assignment:
        before = Deferral(assignment, now.monotonic, now.boot_id, 0.0)
    ends = max(before.until_monotonic, now.monotonic) if before.boot_id == now.boot_id else now.monotonic
    more_s = min(max(0.0, now.monotonic + for_s - ends), most_s - before.granted_s)
    if more_s <= 0 and ends <= now.monotonic:
        message = f"The update was put off for {before.granted_s:g} s, which is all that defer_max_s allows."
        raise Conflict("conflict", message, "It is switched to now; take a lock where the switch would do harm.")
    after = Deferral(assignment, ends + more_s, now.boot_id, before.granted_s + more_s, reason)
    return replace(holds, deferral=after), after.until_monotonic - now.monotonic


def why_held(holds: Holds, person: bool, start: str | None, assignment: str, now: Moment) -> str | None:
    """Return in words what holds the switch to `assignment` back now; None: nothing does.

    `person`: a person's lock; `start`: the start id of the application that runs, None where none does.
    """
    if person:
        return "a person holds a lock; `surefoot-agent unlock` lifts it"
    lock, deferral = holds.lock, holds.deferral
    if lock is not None and lock.start == start and _running(lock.until_monotonic, lock.boot_id, now):
        return f"the application holds a lock since {lock.since_at}{_because(lock.reason)}"
    put_off = deferral is not None and deferral.assignment == assignment
    if put_off and deferral is not None and _running(deferral.until_monotonic, deferral.boot_id, now):
        return f"the application put it off, {deferral.granted_s:g} s in all so far{_because(deferral.reason)}"
    return None


def _running(until_monotonic: float, boot_id: str, now: Moment) -> bool:
    return boot_id == now.boot_id and now.monotonic < until_monotonic


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
