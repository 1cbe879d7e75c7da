"""What signed metadata say to a device: the note of an assignment, and which versions of them a device holds.

They are messages like those of `messages`, which names them too; apart, because a verification child that is started
for every bundle reads these and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot_shared import wire
from surefoot_shared.status import Intent


@dataclass(frozen=True)
class MetadataVersions:
    """Versions of the verified metadata a device holds, 0 where it has none."""

    root: int = 0
    timestamp: int = 0
    snapshot: int = 0
    targets: int = 0
    roles: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JointSet:
    """Assignments of one device that are activated as one or not at all; the same in each of them, signed in each.

    `id` is new for every try, so that no verdict of an earlier one can be taken for this one's.
    """

    id: str
    members: tuple[tuple[str, str], ...]
    """(component, sha256 of its manifest), in the order in which they are started; they go back the other way."""


@dataclass(frozen=True)
class ShadowTerms:
    """For how long a release runs beside the live one, and what the live one must keep meanwhile.

    Whole numbers: it is signed as canonical JSON, which has no fractions.
    """

    for_s: int
    min_fps_permille: int
    """Of the frames a second that the live release had before."""
    min_memory_permille: int
    """Share of the node's memory that must stay available."""

    @property
    def min_fps_ratio(self) -> float:
        return self.min_fps_permille / 1000

    @property
    def min_memory_ratio(self) -> float:
        return self.min_memory_permille / 1000


@dataclass(frozen=True)
class AssignmentNote:
    """The `custom` object of a director target: the server's wish for one component, signed by the director."""

    device: str
    assignment: str
    component: str
    seq: int
    intent: Intent
    activate: bool = True
    """False: stage and wait for the order to activate."""
    windows: tuple[tuple[str, str], ...] = ()
    """UTC intervals in which the device may switch; empty: any time."""
    joint: JointSet | None = None
    """The set it belongs to, if it does."""
    v: int = 1
    recreate: bool = field(default=False, metadata=wire.LATER)
    """Where there is no room for two, the release that runs may be given up before the new one is fetched."""
    shadow: ShadowTerms | None = field(default=None, metadata=wire.LATER)
    """It is not switched to, whatever else is said: it runs beside the live release and is compared with it."""
