"""A device's disk and processes, read as an inspector would: not what the agent says, but what is there.

Promises: `inspect` trusts nothing but bytes: a slot holds a release only if every file of its manifest is there with
the hash that the manifest states; the application runs from a slot only if the kernel says that its working directory
is in it. It never writes and never asks agent or server.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import guard
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import Manifest, digest_of, parse_manifest


@dataclass(frozen=True)
class SlotOnDisk:
    """`whole` is True only where every file of the manifest is on disk with its signed hash."""

    version: str | None
    digest: str | None
    whole: bool


@dataclass(frozen=True)
class DeviceOnDisk:
    """What one component of one device is, by its disk and by the kernel's process table."""

    current: str | None
    """The slot that `current` points to."""
    slots: Mapping[str, SlotOnDisk]
    runs_from: str | None
    """The slot in which the one live application has its working directory."""
    start_id: str | None
    applications: int
    """Live processes of the application; anything but one is wrong."""

    @property
    def running(self) -> SlotOnDisk | None:
        """The release that runs, if the link, the process and a whole slot agree on it; else None."""
        agreed = self.current is not None and self.current == self.runs_from and self.applications == 1
        slot = self.slots[self.current] if agreed and self.current else None
        return slot if slot is not None and slot.whole else None


def inspect(component_dir: Path) -> DeviceOnDisk:
    """Look at `<state_dir>/<component>`; a folder that is missing or half made is an answer too."""
    pids = application_pids(component_dir)
    record = guard.load_application(component_dir)
    return DeviceOnDisk(
        current=guard.current_slot(component_dir),
        slots={name: _slot(component_dir, name) for name in ("A", "B")},
        runs_from=_slot_of_process(component_dir, pids[0]) if len(pids) == 1 else None,
        start_id=record.start_id if record is not None and record.pid in pids else None,
        applications=len(pids),
    )


def application_pids(component_dir: Path) -> list[int]:
    """Live processes whose working directory is in a slot of the component: what /proc says, no record is asked."""
    root = os.path.realpath(component_dir / "slots") + os.sep
    pids = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is none of ours
            if (os.readlink(f"/proc/{entry}/cwd") + os.sep).startswith(root) and guard.start_ticks(int(entry)):
                pids.append(int(entry))
    return pids


def trial_of(component_dir: Path) -> Mapping[str, object] | None:
    """The trial record, None where no trial was ever made."""
    return guard.load_record(component_dir, "trial")


def slot_state(component_dir: Path, slot: str) -> str:
    """What boot control says of a slot: good, bad or empty."""
    return guard.slot_states(component_dir)[slot]


def _slot_of_process(component_dir: Path, pid: int) -> str | None:
    with contextlib.suppress(OSError):
        folder = Path(os.readlink(f"/proc/{pid}/cwd"))
        return folder.relative_to(os.path.realpath(component_dir / "slots")).parts[0]
    return None


def _slot(component_dir: Path, name: str) -> SlotOnDisk:
    try:
        raw = (component_dir / "slots" / f"{name}.manifest").read_bytes()
        manifest = parse_manifest(raw)
    except (OSError, SurefootError):
        return SlotOnDisk(None, None, False)
    sealed = (component_dir / "slots" / f"{name}.sealed").exists()
    return SlotOnDisk(manifest.version, digest_of(raw), sealed and _holds(component_dir / "slots" / name, manifest))


def _holds(tree: Path, manifest: Manifest) -> bool:
    try:
        return all(hashlib.sha256((tree / f.path).read_bytes()).hexdigest() == f.sha256 for f in manifest.files)
    except OSError:
        return False
