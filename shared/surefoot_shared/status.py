"""The one vocabulary of states and outcomes, used by agent, server, API, console and command line.

Refuses synonyms: a state that is not listed here does not exist. The meaning of each word is in DESIGN §3, §5 and §8,
and in ARCHITECTURE.md.
"""

from __future__ import annotations

from enum import Enum


class AttemptState(str, Enum):
    """What is true of a device's attempt at an assignment."""

    IDLE = "idle"
    OFFERED = "offered"
    CHECKING = "checking"
    DOWNLOADING = "downloading"
    VERIFIED = "verified"
    STAGED = "staged"
    ARMED = "armed"
    SWITCHING = "switching"
    PROBATION = "probation"
    COMMITTING = "committing"
    REVERTING = "reverting"
    CLEANING = "cleaning"
    RESCUE = "rescue"


class Outcome(str, Enum):
    """How an attempt ended; counted apart, never merged."""

    COMMITTED = "committed"
    REVERTED = "reverted"
    FAILED = "failed"
    LOST = "lost"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    SHADOWED = "shadowed"
    """It ran beside the live release for its time, and nothing was switched: no commit, and no failure."""


class RolloutState(str, Enum):
    """Where a rollout stands; the last three are ends."""

    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    HELD = "held"
    HALTED = "halted"
    REVERTING = "reverting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PhaseState(str, Enum):
    """Where one phase of a rollout stands."""

    PENDING = "pending"
    AWAITING_APPROVAL = "awaiting_approval"
    OFFERING = "offering"
    BAKING = "baking"
    PASSED = "passed"
    FAILED = "failed"
    HELD = "held"


class Verdict(str, Enum):
    """What a look at a phase says; no data is `hold`."""

    PASS = "pass"
    FAIL = "fail"
    HOLD = "hold"


class SlotName(str, Enum):
    """One of the two copies of a component."""

    A = "A"
    B = "B"

    @property
    def other(self) -> SlotName:
        return SlotName.B if self is SlotName.A else SlotName.A


class SlotState(str, Enum):
    """What the boot control says of a slot."""

    EMPTY = "empty"
    GOOD = "good"
    BAD = "bad"


class Presence(str, Enum):
    """Whether the broker holds a live session of a device."""

    ONLINE = "online"
    OFFLINE = "offline"


class Intent(str, Enum):
    """What the server wants of an assignment; signed inside the director's metadata."""

    UPDATE = "update"
    DOWNGRADE = "downgrade"
    """Go to a release with a lower counter within the same svn: an audited operator act."""
    REVERT = "revert"
    """Go back to the release that ran before, by order of the server (policy or operator)."""


class Ability(str, Enum):
    """What an agent may announce that it can do with a component; the server asks it of nobody else."""

    RECREATE = "recreate"
    """Replace the release in place where there is no room for two."""
    SHADOW = "shadow"
    """Run a release from the other slot beside the one that lives, on the same frames."""


class Check(str, Enum):
    """Result of one health check at one moment."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


ROLLOUT_ENDED = frozenset({RolloutState.SUCCEEDED, RolloutState.FAILED, RolloutState.CANCELLED})
BEFORE_ARMED = frozenset(
    {
        AttemptState.OFFERED,
        AttemptState.CHECKING,
        AttemptState.DOWNLOADING,
        AttemptState.VERIFIED,
        AttemptState.STAGED,
    }
)
AFTER_ARMED = frozenset({AttemptState.ARMED, AttemptState.SWITCHING, AttemptState.PROBATION})
