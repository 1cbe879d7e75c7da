"""What a guard that knows no boot control needs in order to bring a machine back to its previous root: fixed commands.

Promises: reads only; every command is an absolute path with fixed arguments, checked again when the trial is armed. A
boot control that cannot say how it is told from outside gives none: its bootloader's own count of tries leads back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotName

Commands = tuple[tuple[str, ...], ...]
SYSTEMCTL = ("usr/bin/systemctl", "bin/systemctl")
REBOOT = ("usr/sbin/reboot", "sbin/reboot", "usr/bin/reboot")
SYSTEMD_RUNS = Path("run/systemd/system")
"""sd_booted(3)."""
MARKS = ("surefoot.slot=", "rauc.slot=", "root=")
"""Words that bootloaders put on the kernel's command line for the slot they chose, the most telling first."""


@runtime_checkable
class Commanded(Protocol):
    """A boot control that a fixed command can lead back."""

    def way_back(self, slot: SlotName) -> Commands:
        """Commands that make the next start enter `slot`, run in order, each of them repeatable."""


@dataclass(frozen=True)
class WayBack:
    """As the trial record keeps it. `machine` is False for a component whose slots need no restart."""

    machine: bool = False
    back: Commands = ()
    restart: Commands = ()
    previous_mark: str = ""


def way_back(boot: BootControl, previous: SlotName, system: Path = Path("/")) -> WayBack:
    """Return how the guard gets back to `previous`, which runs now."""
    if not boot.capabilities().needs_restart:
        return WayBack()
    back = boot.way_back(previous) if isinstance(boot, Commanded) else ()
    return WayBack(True, back, restarts(system), kernel_mark((system / "proc/cmdline").read_text()))


def restarts(system: Path = Path("/")) -> Commands:
    """Commands that restart this machine: first by its init and in order, then at once."""
    found: list[tuple[str, ...]] = []
    systemctl, reboot = _first(SYSTEMCTL, system), _first(REBOOT, system)
    if systemctl and (system / SYSTEMD_RUNS).is_dir():
        found += [(systemctl, "--no-block", "reboot"), (systemctl, "reboot", "--force")]
    elif reboot:
        found.append((reboot,))
    if reboot:
        found.append((reboot, "-f"))
    return tuple(found)


def kernel_mark(cmdline: str, words: Sequence[str] = MARKS) -> str:
    """Return the word of a kernel's command line that says from which slot it was started; empty where none does."""
    return next((word for prefix in words for word in cmdline.split() if word.startswith(prefix)), "")


def _first(names: Sequence[str], system: Path) -> str:
    return next((str(system / name) for name in names if os.access(system / name, os.X_OK)), "")
