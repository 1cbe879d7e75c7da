"""What a run of a scenario was: frozen values, the same bytes for the same seed, enough to draw and judge all of it.

Promises: every time is virtual seconds since the scenario's start; nothing in here depends on the machine that ran it,
so `digest` proves that two runs were the same. Reports (live view, HTML, JSON, JUnit, Markdown) are made of this value
alone. Refuses other versions of itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from surefoot_shared import wire
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, SlotName

LIMIT_BYTES = 512 * 1024 * 1024
"""Of a recording that is read back: a thousand devices through a week are some 20 MB."""


@dataclass(frozen=True)
class RecordedDevice:
    """A device as the scenario made it. `attributes` hold its site among others."""

    name: str
    hw: str
    site: str
    version: str
    """Of the component when the scenario began."""
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """What became true of a device at `t`; it stays so until its next point. Taken from the device, not the server."""

    t: float
    device: str
    state: AttemptState
    """Of its attempt."""
    version: str | None
    """What really runs; None where nothing does, or the device is without power."""
    slot: SlotName | None
    online: bool
    """Whether the broker holds its session."""
    also: tuple[str, ...] = ()
    """What runs of its other components, "" where nothing does."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Everything that runs."""
        return tuple(each for each in (self.version, *self.also) if each)


@dataclass(frozen=True)
class RolloutPoint:
    """A rollout entered a state."""

    t: float
    rollout: str
    release: str
    state: RolloutState


@dataclass(frozen=True)
class PhasePoint:
    """A phase of a rollout entered a state."""

    t: float
    rollout: str
    phase: int
    name: str
    state: PhaseState


@dataclass(frozen=True)
class Ending:
    """An attempt ended on a device, as the server stored it; a server's `lost` may be corrected by a later one."""

    t: float
    device: str
    rollout: str | None
    release: str
    outcome: Outcome
    reason: str | None = None
    phase: int | None = None


class Teller(str, Enum):
    """Who a line of the story is about."""

    SCENARIO = "scenario"
    FAULT = "fault"
    OPERATOR = "operator"
    SERVER = "server"
    DEVICE = "device"


@dataclass(frozen=True)
class Told:
    """One line of the story: a fault that struck, an operator's act, a decision with its reason."""

    t: float
    by: Teller
    text: str
    device: str | None = None


@dataclass(frozen=True)
class Met:
    """An expectation of the scenario and what was found; `line` is where the scenario's file states it."""

    text: str
    held: bool
    found: str
    line: int = 0


@dataclass(frozen=True)
class PhaseTally:
    """How a phase ended: its members, and outcomes of theirs (`open` ones have none)."""

    rollout: str
    phase: int
    name: str
    state: PhaseState
    members: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Outcome → devices."""


@dataclass(frozen=True)
class Answer:
    """What the server answers at the end, asked why a component of a device is not updating."""

    device: str
    component: str
    kind: str
    sentence: str


@dataclass(frozen=True)
class Recording:
    """One run. Lists are in the order of time; `faults` counts those that struck, by kind."""

    scenario: str
    """Its name: the file's stem."""
    title: str
    promise: str
    """The sentence that the scenario stands for."""
    seed: int
    seconds: float
    """Virtual seconds that were played."""
    started_at: str
    """The virtual wall clock at t = 0, ISO 8601."""
    component: str
    devices: tuple[RecordedDevice, ...]
    points: tuple[Point, ...]
    rollouts: tuple[RolloutPoint, ...]
    phases: tuple[PhasePoint, ...]
    tallies: tuple[PhaseTally, ...]
    endings: tuple[Ending, ...]
    story: tuple[Told, ...]
    expectations: tuple[Met, ...]
    faults: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    """events, messages, steps of devices, looks of the engine and the like."""
    v: int = 1
    unplayed: tuple[str, ...] = field(default=(), metadata=wire.LATER)
    """What the files have that the scenario starts from, and nothing in here shows; then faults that never struck. A
    sentence each, without a path."""

    @property
    def passed(self) -> bool:
        """Whether every expectation held."""
        return all(met.held for met in self.expectations)

    @property
    def digest(self) -> str:
        """sha256 of all of it: equal for equal scenario, seed and code."""
        return hashlib.sha256(to_json(self)).hexdigest()


def to_json(recording: Recording) -> bytes:
    """Compact, keys sorted."""
    return wire.encode(recording)


def from_json(raw: bytes) -> Recording:
    """Read a recording back; raises Invalid naming the field."""
    return wire.decode(Recording, raw, LIMIT_BYTES)
