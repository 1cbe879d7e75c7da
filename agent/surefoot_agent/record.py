"""What the agent remembers of one component: the durable record, saved before every act.

Promises: readable by the version before (fields are only ever added, unknown ones are ignored); frozen values, all of
which have a wire form (`surefoot_shared.wire`). Only `machine.step` makes a new record out of an old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot_agent.ports import Wish
from surefoot_shared.messages import CheckReport, RevertReport, RunningProof
from surefoot_shared.status import AttemptState, Outcome, SlotName


@dataclass(frozen=True, slots=True)
class Committed:
    """The release that proved itself and is the one to boot."""

    digest: str
    release: str
    slot: SlotName


@dataclass(frozen=True, slots=True)
class Ending:
    """How the attempt will end once it is cleaned up or gone back; stored before that begins."""

    outcome: Outcome
    reason: str
    message: str
    check: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    cause: str = "failed_verdict"
    """As in RevertReport.cause."""
    checks: tuple[CheckReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How the last attempt ended; its outcome event is stored in the same transaction."""

    assignment: str
    attempt: int
    outcome: Outcome
    reason: str | None = None
    message: str = ""
    proof: RunningProof | None = None
    report: RevertReport | None = None
    joint: str | None = None
    """Id of the set it was a member of."""


@dataclass(frozen=True, slots=True)
class Record:
    """State and data of one component's attempt. In `idle` there is no wish, slot, ending or report."""

    component: str
    state: AttemptState = AttemptState.IDLE
    seq: int = 0
    """Highest assignment seq accepted."""
    wish: Wish | None = None
    attempt: int = 0
    slot: SlotName | None = None
    """The slot this attempt writes; None until preflight chose it."""
    previous: SlotName | None = None
    starts: int = 0
    """Starts of the new release within the trial."""
    falls: Mapping[str, int] = field(default_factory=dict)
    """What ended those starts without a verdict, counted by cause."""
    boot: str | None = None
    """Boot in which `activation` was started."""
    switches: int = 0
    """Switches that had no effect."""
    retries: int = 0
    """Of the present step; the back-off grows with it."""
    activation: str | None = None
    """Start id of the application: of the old one when armed, of the one on trial from the switch on."""
    baseline: Mapping[str, float] = field(default_factory=dict)
    soak_s: float = 0.0
    doubt: str = ""
    """What the verdict for the release on trial could not say; its outcome repeats it."""
    ending: Ending | None = None
    report: RevertReport | None = None
    committed: Committed | None = None
    previous_kept: bool = True
    """False once the other slot is being overwritten: a late fallback is impossible then."""
    ended: Ended | None = None
    trials: int = 0
    """Trials armed in this device's life."""
    halted: tuple[str, ...] = ()
    halt_epoch: int = 0
    halt_root: int = 0
    seq_root: int = 0
    """The version of the director's root under which `seq` was accepted: a newer root begins a new count."""
    full: bool = False
    """There is no room for two releases: this attempt waits for its turn to give up the one that runs."""
    vacated: bool = False
    """The release that ran was given up for this attempt, or is about to be: stored before its first file goes."""
    v: int = 1


def about(record: Record) -> str:
    """The ids that every log line about an update carries."""
    return f"component={record.component} assignment={record.wish.assignment if record.wish else '-'}"
