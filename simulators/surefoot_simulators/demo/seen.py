"""What was seen of the fleet: frozen values from two independent witnesses, the server's API and the devices' disks.

`promises.py` judges these values, so every promise can be tested without a fleet. Nothing here reads a log line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot_simulators.demo.disk import DeviceOnDisk


@dataclass(frozen=True)
class SeenDevice:
    """A device as the server shows it; `version` and `digest` are what it says really runs."""

    id: str
    hw: str
    online: bool
    version: str | None
    digest: str | None
    slot: str | None
    state: str
    attention: str | None = None


@dataclass(frozen=True)
class SeenAssignment:
    """One assignment as the server stored it. `phase` is the index of the rollout's phase."""

    device: str
    version: str
    intent: str
    state: str
    phase: int | None = None
    outcome: str | None = None
    reason: str | None = None
    message: str = ""
    offered_at: str = ""
    proved_digest: str | None = None
    proved_slot: str | None = None
    soak_s: float = 0.0


@dataclass(frozen=True)
class SeenPhase:
    name: str
    state: str
    members: int
    reason: str = ""


@dataclass(frozen=True)
class SeenRollout:
    """A rollout with its phases and every assignment it made, updates and orders to go back alike."""

    id: str
    version: str
    state: str
    reason: str
    phases: tuple[SeenPhase, ...]
    assignments: tuple[SeenAssignment, ...] = ()

    def updates(self) -> tuple[SeenAssignment, ...]:
        """Assignments that lead to this rollout's release."""
        return tuple(a for a in self.assignments if a.version == self.version and a.intent != "revert")

    def touched(self) -> frozenset[str]:
        """Devices of which the rollout wanted anything."""
        return frozenset(a.device for a in self.assignments)


@dataclass(frozen=True)
class Moment:
    """Both witnesses at one time."""

    devices: Mapping[str, SeenDevice]
    disks: Mapping[str, DeviceOnDisk] = field(default_factory=dict)


@dataclass(frozen=True)
class Killed:
    """An agent and its application, ended with SIGKILL in the middle of a switch."""

    device: str
    from_slot: str
    to_slot: str
    state: str
    """What the device's journal held when the processes were dead."""
    link: str | None
    """Where `current` pointed then: either side of the flip is the middle of the switch."""


@dataclass(frozen=True)
class Broken:
    """A device whose agent could not start from the switch on, looked at while it still could not."""

    device: str
    old_version: str
    new_slot: str
    disk: DeviceOnDisk
    new_slot_state: str
    trial_verdict: str
    failed_starts: int


@dataclass(frozen=True)
class Finding:
    """One row of the closing table."""

    promised: str
    seen: str
    kept: bool
