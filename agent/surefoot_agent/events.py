"""What can happen to an attempt (events) and what the machine orders (effects): values only.

Promises: an event says what happened and carries what the record must remember of it; an effect carries nothing, all
it needs is in the record. The meaning of each pair is in `machine.TRANSITIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from surefoot_agent.ports import Refusal, Wish
from surefoot_agent.record import Committed
from surefoot_agent.reset_cause import Cause
from surefoot_shared.messages import CheckReport, RevertReport, RunningProof
from surefoot_shared.status import Outcome, SlotName


class Effect(Enum):
    """An order to the shell. Its result comes back as an event."""

    REPORT = "report"
    REPORT_OUTCOME = "report_outcome"
    REPORT_FELL_BACK = "report_fell_back"
    BEGIN = "begin"
    PREFLIGHT = "preflight"
    VACATE = "vacate"
    ASK_LEASE = "ask_lease"
    DOWNLOAD = "download"
    SEAL = "seal"
    WAIT_TURN = "wait_turn"
    MEASURE = "measure"
    ARM = "arm"
    SWITCH = "switch"
    WATCH = "watch"
    COMMIT = "commit"
    STORE_REPORT = "store_report"
    REVERT = "revert"
    CLEAN = "clean"
    RETRY_LATER = "retry_later"
    RAISE_FLOORS = "raise_floors"
    TAKE_NEXT = "take_next"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class Assigned(Event):
    wish: Wish


@dataclass(frozen=True, slots=True)
class AlreadyThere(Event):
    """The wish's digest runs, committed, from the current slot."""

    wish: Wish
    proof: RunningProof


@dataclass(frozen=True, slots=True)
class Refused(Event):
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Renewed(Event):
    """The same assignment with a higher seq: other windows, or the order to activate."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class Replaced(Event):
    """Another assignment of the very digest that is on its way."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class Superseded(Event):
    pass


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    pass


@dataclass(frozen=True, slots=True)
class Halted(Event):
    """The release on its way is on the halt list."""


@dataclass(frozen=True, slots=True)
class SetBroken(Event):
    """Another member of its set failed or went back, before this one was armed."""

    message: str


@dataclass(frozen=True, slots=True)
class SetCommitted(Event):
    """The set was committed before this member could go back: it goes on with the others."""


@dataclass(frozen=True, slots=True)
class HaltListed(Event):
    epoch: int
    digests: tuple[str, ...]
    root: int = 0


@dataclass(frozen=True, slots=True)
class OrderedBack(Event):
    message: str


@dataclass(frozen=True, slots=True)
class Begun(Event):
    pass


@dataclass(frozen=True, slots=True)
class CheckPassed(Event):
    slot: SlotName
    previous: SlotName


@dataclass(frozen=True, slots=True)
class SlotHeld(Event):
    """Preflight found the release whole in the other slot: nothing is to be fetched."""

    slot: SlotName
    previous: SlotName


@dataclass(frozen=True, slots=True)
class RoomForOne(Event):
    """There is no room for a second release, and the assignment allows to give up the first."""

    slot: SlotName
    previous: SlotName


@dataclass(frozen=True, slots=True)
class Vacated(Event):
    """Nothing runs any more, and the slot that ran is empty."""


@dataclass(frozen=True, slots=True)
class LeaseGiven(Event):
    pass


@dataclass(frozen=True, slots=True)
class LeaseEnded(Event):
    pass


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The network failed; the attempt is not burnt."""

    reason: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class RetryDue(Event):
    pass


@dataclass(frozen=True, slots=True)
class Downloaded(Event):
    pass


@dataclass(frozen=True, slots=True)
class Sealed(Event):
    pass


@dataclass(frozen=True, slots=True)
class TurnCame(Event):
    pass


@dataclass(frozen=True, slots=True)
class Shadowed(Event):
    """It ran beside the live release for its time; it is stopped, and stays in its slot."""

    message: str


@dataclass(frozen=True, slots=True)
class WindowsOver(Event):
    pass


@dataclass(frozen=True, slots=True)
class Measured(Event):
    baseline: Mapping[str, float]
    activation: str | None
    boot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Flipped(Event):
    """The boot control was read back: the next start enters the new slot."""


@dataclass(frozen=True, slots=True)
class NotTaken(Event):
    """Read back, the switch had no effect."""


@dataclass(frozen=True, slots=True)
class NeverTook(Event):
    pass


@dataclass(frozen=True, slots=True)
class Switched(Event):
    activation: str
    boot_id: str | None = None
    """The boot in which the application was started."""


@dataclass(frozen=True, slots=True)
class Rearm(Event):
    """The new slot was left without a verdict and tries are left."""

    cause: Cause = Cause.UNEXPLAINED


@dataclass(frozen=True, slots=True)
class Died(Event):
    """The application on trial is gone, or was started anew, without a verdict."""

    message: str
    max_starts: int
    cause: Cause = Cause.APPLICATION_DIED


@dataclass(frozen=True, slots=True)
class Healthy(Event):
    """`doubt` is what a healthy verdict could not say, or said of checks that decide nothing."""

    soak_s: float
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Unhealthy(Event):
    reason: str
    message: str
    check: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    cause: str = "failed_verdict"
    checks: tuple[CheckReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Strayed(Event):
    """The boot control points at a slot that was never armed."""


@dataclass(frozen=True, slots=True)
class CommitHeld(Event):
    proof: RunningProof


@dataclass(frozen=True, slots=True)
class CommitLost(Event):
    message: str


@dataclass(frozen=True, slots=True)
class ReportStored(Event):
    report: RevertReport


@dataclass(frozen=True, slots=True)
class WentBack(Event):
    pass


@dataclass(frozen=True, slots=True)
class Cleaned(Event):
    kept: bool = False
    """The attempt ended before its first byte: the slot still holds the release to go back to."""


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    outcome: Outcome
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Stuck(Event):
    """The way back failed too often, or neither slot can be entered."""

    message: str


@dataclass(frozen=True, slots=True)
class Running(Event):
    """At start-up a good slot was found running and nothing was remembered: provisioned, or a new journal."""

    committed: Committed


@dataclass(frozen=True, slots=True)
class FellBack(Event):
    """Long after a commit, the old release runs again without our doing."""

    running: Committed
    message: str
