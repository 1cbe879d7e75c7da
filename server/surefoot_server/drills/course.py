"""What follows on a device of a drill, and how the drill as a whole ended; pure.

Promises: a device is done only when it committed the release before, and then its own again, each within the limit;
one that did not is a failed drill, since going back is the promise that it rehearses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from surefoot_shared.status import Outcome


class Step(str, Enum):
    REVERTING = "reverting"
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


ENDED = frozenset({Step.DONE, Step.FAILED, Step.SKIPPED})
FOLLOWS = {Step.REVERTING: Step.APPLYING, Step.APPLYING: Step.DONE}


@dataclass(frozen=True, slots=True)
class Order:
    """The assignment that a device works at: when it was given, and how it ended."""

    offered_at: datetime
    outcome: Outcome | None = None
    ended_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """The step that follows, how long the one before took, and why where it failed."""

    step: Step
    took_s: float | None = None
    reason: str = ""


def follow(step: Step, order: Order, limit_s: float, now: datetime) -> Move | None:
    """Return what follows, None while the device is at it."""
    if order.outcome is Outcome.COMMITTED and order.ended_at is not None:
        took_s = (order.ended_at - order.offered_at).total_seconds()
        if took_s > limit_s:
            return Move(Step.FAILED, took_s, f"{step.value} took {took_s:.0f} s, the limit is {limit_s:.0f} s")
        return Move(FOLLOWS[step], took_s)
    if order.outcome is not None:
        return Move(Step.FAILED, None, f"{step.value} ended {order.outcome.value}: {order.reason or 'no reason given'}")
    if (now - order.offered_at).total_seconds() > limit_s:
        return Move(Step.FAILED, None, f"{step.value} did not end within {limit_s:.0f} s")
    return None


def ended(steps: Sequence[tuple[str, Step]], times: Sequence[float]) -> tuple[bool, str] | None:
    """(passed, reason) once every device ended, None before. `times`: seconds to revert."""
    if any(step not in ENDED for _, step in steps):
        return None
    failed = [device for device, step in steps if step is Step.FAILED]
    done = sum(1 for _, step in steps if step is Step.DONE)
    if failed:
        return False, f"{len(failed)} of {len(failed) + done} devices failed, {failed[0]} first"
    if not done:
        return False, "no device could take part"
    ordered = sorted(times)
    who = "1 device" if done == 1 else f"{done} devices"
    return True, f"{who} went back and forth; back in {ordered[len(ordered) // 2]:.0f} s, {ordered[-1]:.0f} s at most"
