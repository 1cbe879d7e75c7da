"""Releases made on the spot: a manifest with its raw bytes from a few files, and the slots that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from surefoot_agent.ports import Piece
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.release import (
    Application,
    DataHandling,
    HealthCheck,
    Manifest,
    Probation,
    TreeFile,
    digest_of,
    manifest_bytes,
)
from surefoot_shared.status import SlotName

Files = Mapping[str, bytes]


def release(
    files: Files,
    version: str = "1.0",
    executable: Sequence[str] = (),
    argv: tuple[str, ...] | None = None,
    checks: tuple[HealthCheck, ...] = (),
    probation: Probation | None = None,
    stop_s: float = 2.0,
    data: DataHandling | None = None,
) -> Manifest:
    """Return the manifest of a release that holds `files`."""
    listed = tuple(
        TreeFile(path, 0o755 if path in executable else 0o644, len(content), digest_of(content))
        for path, content in files.items()
    )
    return Manifest(
        component="app",
        version=version,
        counter=int(float(version) * 10),
        svn=0,
        hw=("x86-box",),
        files=listed,
        application=Application(argv, stop_s, shadow=True) if argv else None,
        checks=checks,
        probation=probation or Probation(),
        data=data,
    )


def piece(path: str, content: bytes = b"") -> Piece:
    """What a directory slot asks for where this file is missing."""
    return Piece(path, digest_of(content), len(content), 0, len(content))


def install(slots: DirectorySlots, slot: SlotName, manifest: Manifest, files: Files) -> None:
    """Write and seal a whole release."""
    slots.begin(slot, manifest, manifest_bytes(manifest))
    for wanted in slots.missing(slot):
        slots.write(slot, wanted, lambda offset, content=files[wanted.name]: [content[offset:]])
    slots.seal(slot)


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file of a tree with its content."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
