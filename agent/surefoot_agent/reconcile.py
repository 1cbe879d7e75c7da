"""What happened while we were off: the start-up table, (running, journal, activation changed?, verdict) → what next.

Promises: pure, and complete: every combination has exactly one answer, the first row that matches (DESIGN §5). The
answer rests on what is seen and what was stored, never on "I just started": a restart of the agent is not a restart of
the application, and neither is a verdict.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from surefoot_agent.trial import Verdict
from surefoot_shared.status import BEFORE_ARMED, AttemptState


class Where(str, Enum):
    """Which slot boot control shows as running, seen from the attempt (from the last commit, where there is none)."""

    OLD = "old"
    NEW = "new"
    NEITHER = "neither"


class Next(str, Enum):
    """What the restarted agent does."""

    SETTLED = "settled"
    RESUME = "resume"
    REPEAT_SWITCH = "repeat_switch"
    REARM = "rearm"
    REVERTED = "reverted"
    FIRST_TRY = "first_try"
    RESTART = "restart"
    """The application, from the new slot."""
    GO_ON = "go_on"
    NEXT_TRY = "next_try"
    COMMIT_AGAIN = "commit_again"
    COMMIT_LOST = "commit_lost"
    STRAYED = "strayed"
    FELL_BACK = "fell_back"
    RESCUE = "rescue"
    REPORT_ONLY = "report_only"


@dataclass(frozen=True, slots=True)
class Facts:
    """`state` is None where the journal cannot be read. `verdict` is the trial record's, for this attempt."""

    running: Where
    state: AttemptState | None
    activation_changed: bool
    verdict: Verdict | None
    tries_left: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row; None stands for any. `why` is what the log and the table in ARCHITECTURE.md say."""

    running: Collection[Where] | None
    states: Collection[AttemptState | None] | None
    activation_changed: bool | None
    verdicts: Collection[Verdict | None] | None
    tries_left: bool | None
    next: Next
    why: str

    def matches(self, facts: Facts) -> bool:
        return (
            (self.running is None or facts.running in self.running)
            and (self.states is None or facts.state in self.states)
            and self.activation_changed in (None, facts.activation_changed)
            and (self.verdicts is None or facts.verdict in self.verdicts)
            and self.tries_left in (None, facts.tries_left)
        )


S = AttemptState
OLD, NEW, NEITHER = (Where.OLD,), (Where.NEW,), (Where.NEITHER,)
FAILED, PASSED = (Verdict.UNHEALTHY, Verdict.GUARD), (Verdict.HEALTHY,)
TRIED = (S.ARMED, S.SWITCHING, S.PROBATION)
FLIPPED = (S.ARMED, S.SWITCHING)
ANY = None

# fmt: off
TABLE: tuple[Row, ...] = (
    Row(ANY,     (None,),         ANY,   ANY,    ANY,   Next.REPORT_ONLY,   "the journal cannot be read"),
    Row(ANY,     (S.RESCUE,),     ANY,   ANY,    ANY,   Next.RESUME,        "rescue goes on"),
    Row(NEITHER, ANY,             ANY,   ANY,    ANY,   Next.RESCUE,        "boot control shows neither slot"),
    Row(OLD,     BEFORE_ARMED,    ANY,   ANY,    ANY,   Next.RESUME,        "the step is resumed"),
    Row(NEW,     BEFORE_ARMED,    ANY,   ANY,    ANY,   Next.STRAYED,       "a slot never armed was entered"),
    Row(ANY,     (S.CLEANING,),   ANY,   ANY,    ANY,   Next.RESUME,        "cleaning goes on"),
    Row(ANY,     (S.REVERTING,),  ANY,   ANY,    ANY,   Next.RESUME,        "the way back is walked again"),
    Row(ANY,     (S.PROBATION,),  ANY,   PASSED, ANY,   Next.COMMIT_AGAIN,  "its set was committed"),
    Row(ANY,     (S.COMMITTING,), ANY,   PASSED, ANY,   Next.COMMIT_AGAIN,  "a stored verdict stands"),
    Row(ANY,     TRIED,           ANY,   FAILED, ANY,   Next.REVERTED,      "a verdict against it is stored"),
    Row(OLD,     FLIPPED,         False, ANY,    ANY,   Next.REPEAT_SWITCH, "the switch did not take"),
    Row(OLD,     TRIED,           True,  ANY,    True,  Next.REARM,         "left without verdict, tries left"),
    Row(OLD,     TRIED,           ANY,   ANY,    ANY,   Next.REVERTED,      "left without verdict, no try left"),
    Row(NEW,     FLIPPED,         True,  ANY,    ANY,   Next.FIRST_TRY,     "the new slot runs"),
    Row(NEW,     FLIPPED,         False, ANY,    ANY,   Next.RESTART,       "the link moved, nothing started anew"),
    Row(NEW,     (S.PROBATION,),  False, ANY,    ANY,   Next.GO_ON,         "only the agent restarted"),
    Row(NEW,     (S.PROBATION,),  True,  ANY,    ANY,   Next.NEXT_TRY,      "unexplained restart in probation"),
    Row(NEW,     (S.COMMITTING,), ANY,   ANY,    ANY,   Next.COMMIT_AGAIN,  "committed until both agree"),
    Row(OLD,     (S.COMMITTING,), ANY,   ANY,    ANY,   Next.COMMIT_LOST,   "the commit did not hold"),
    Row(NEW,     (S.IDLE,),       ANY,   ANY,    ANY,   Next.SETTLED,       "running as committed"),
    Row(OLD,     (S.IDLE,),       ANY,   ANY,    ANY,   Next.FELL_BACK,     "the committed slot was left later"),
)
# fmt: on


def decide(facts: Facts) -> Row:
    """Return the row that applies. Raises LookupError where the table has a hole, which a test proves it has not."""
    for row in TABLE:
        if row.matches(facts):
            return row
    raise LookupError(facts)
