"""What a verification child says: the wishes and refusals of one bundle. The values of the port `Trust`.

Apart from the other ports, which name them too, because the child is started for every bundle: what it need not load
is saved each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_shared.notes import JointSet, MetadataVersions, ShadowTerms
from surefoot_shared.release import TargetNote
from surefoot_shared.status import Intent


@dataclass(frozen=True)
class Wish:
    """A verified assignment: what the director wants and the image repository allows. The recorded install decision."""

    assignment: str
    component: str
    seq: int
    intent: Intent
    digest: str
    """sha256 of the manifest."""
    manifest_size: int
    note: TargetNote
    activate: bool = True
    windows: tuple[tuple[str, str], ...] = ()
    joint: JointSet | None = None
    root: int = 0
    """The version of the director's root under which it was verified."""
    recreate: bool = False
    """Where there is no room for two, the release that runs may be given up first."""
    shadow: ShadowTerms | None = None
    """It runs beside the live release and is never switched to."""


@dataclass(frozen=True)
class Refusal:
    """An assignment of this device that verification refused: it becomes the outcome `refused`, with the reason."""

    assignment: str
    component: str
    seq: int
    reason: str
    message: str
    joint: str | None = None
    """Id of the set it was a member of."""
    root: int = 0


@dataclass(frozen=True)
class Decision:
    """What verified metadata says now. A component without a wish or refusal has no assignment: nothing is wanted."""

    wishes: tuple[Wish, ...]
    refusals: tuple[Refusal, ...]
    director_version: int
    image: MetadataVersions
    director: MetadataVersions
    signed_at: str
    halt_epoch: int = 0
    halted: tuple[str, ...] = ()
    """Digests that must not be downloaded, staged or switched to."""
    halt_root: int = 0
    """The version of the director's root under which that list was taken."""
