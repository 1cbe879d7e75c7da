"""Why did this machine start anew? Facts are read once at the agent's start, then judged by a pure function.

Promises: one cause for every combination of facts, the strongest evidence first; no evidence is `unexplained`, never
a guess that would spare a bad release. Restarts are told by the kernel's boot id, never by a clock. Reads only: kernel
dumps are copied into reports and removed by whoever is privileged (systemd-pstore does, see docs/reset-causes.md).
Sources: kernel Documentation/ABI/testing/pstore and sysfs-class-watchdog, include/uapi/linux/watchdog.h.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

KERNEL_TAIL_BYTES = 8 * 1024
"""Of the newest dump: twenty events travel in one message of 256 KiB, and each may be a revert report."""
DUMP_BYTES = 256 * 1024
DUMPS = 64
"""Files looked at; a kernel that dumps in a loop must not keep the agent from starting."""
PSTORE = ("sys/fs/pstore", "var/lib/systemd/pstore")
"""Where the kernel shows dumps, and where systemd-pstore moves them at boot."""
REASON_FILES = (
    "sys/devices/platform/*pmc*/reset_reason",  # Jetson (T210, T186)
    "sys/devices/platform/*/*pmc*/reset_reason",  # Jetson (T194, T234: below bus@0)
    "proc/device-tree/chosen/reset-source",  # barebox
)
PI_FILES = ("proc/device-tree/chosen/bootloader/rsts", "proc/device-tree/chosen/bootloader/pm_rsts")
"""Raspberry Pi: the reset status register as the bootloader found it, 32 bits, big-endian."""
PI_POWER_ON = 0x1000
"""HADPOR. Its watchdog bits say nothing: a Pi carries out an ordinary reboot by its watchdog."""
CARD_RESET, UNDER_VOLTAGE, OVERHEAT = 0x20, 0x10, 0x01
"""WDIOF_CARDRESET, WDIOF_POWERUNDER, WDIOF_OVERHEAT."""
POWER_WORDS = frozenset({"power on", "tegra_power_on_reset", "sys_reset_n", "por", "brownout"})
WATCHDOG_WORDS = ("wdt", "wdg", "watchdog")
HEAT_WORDS = frozenset({"sensor", "therm", "aotag", "vfsensor"})
"""The board cut itself off because it became too hot: what ran is a suspect, so it counts with the watchdog."""


class Cause(str, Enum):
    """What ended a start; the words of RevertReport.cause."""

    POWER_CUT = "power_cut"
    PANIC = "panic"
    WATCHDOG = "watchdog"
    CLEAN_RESTART = "clean_restart"
    UNEXPLAINED = "unexplained"
    """The machine started anew and nothing says why."""
    APPLICATION_DIED = "application_died"
    """The machine did not start anew; the application alone ended."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen. Boot ids are the kernel's; `previous_boot_id` is None where nothing is remembered."""

    boot_id: str
    previous_boot_id: str | None = None
    shut_down: bool = False
    """The shutdown unit left its mark in the previous boot: the machine was going down in order."""
    agent_stopped: bool = False
    """The agent was told to stop in the previous boot and was not started again in it."""
    panic_dumped: bool = False
    console_kept: bool = False
    """The RAM kept a console record of the previous boot: the power was not away for long."""
    ram_console: bool = False
    """This kernel keeps its console in RAM, so the lack of a record says that the power was away."""
    watchdog_status: int = 0
    """All `bootstatus` of the watchdogs together."""
    reasons: tuple[str, ...] = ()
    """What the board says, lower case."""
    powered_on: bool = False
    """The Raspberry Pi's reset register shows a power-on."""


def judge(seen: Observed) -> Cause:
    """Return why this boot began. The order is that of the strength of the evidence."""
    if seen.boot_id == seen.previous_boot_id:
        return Cause.APPLICATION_DIED
    for cause, holds in EVIDENCE:
        if holds(seen):
            return cause
    return Cause.UNEXPLAINED


EVIDENCE: tuple[tuple[Cause, Callable[[Observed], bool]], ...] = (
    (Cause.PANIC, lambda s: s.panic_dumped),
    # Before the registers: boards carry out an ordinary reboot by their watchdog, and registers keep older stories.
    (Cause.CLEAN_RESTART, lambda s: s.shut_down),
    (Cause.WATCHDOG, lambda s: bool(s.watchdog_status & (CARD_RESET | OVERHEAT))),
    (Cause.WATCHDOG, lambda s: any(_is_watchdog(reason) for reason in s.reasons)),
    (Cause.POWER_CUT, lambda s: bool(s.watchdog_status & UNDER_VOLTAGE) or s.powered_on),
    (Cause.POWER_CUT, lambda s: any(reason in POWER_WORDS for reason in s.reasons)),
    (Cause.CLEAN_RESTART, lambda s: s.agent_stopped),
    (Cause.WATCHDOG, lambda s: s.console_kept),  # the RAM lived on, no shutdown, no dump: it was reset by hardware
    (Cause.POWER_CUT, lambda s: s.ram_console and s.previous_boot_id is not None),
)


@dataclass(frozen=True, slots=True)
class Dump:
    """One record of pstore: `mark` tells it from an older one of the same name, `text` is its end."""

    name: str
    mark: str
    text: str

    @property
    def panic(self) -> bool:
        return self.name.startswith("dmesg") and ("Panic#" in self.text[:64] or "Kernel panic" in self.text)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where this boot came from; one value per process, as no process outlives a boot."""

    boot_id: str = ""
    cause: Cause = Cause.UNEXPLAINED
    kernel_tail: str = ""
    """End of the kernel's last words, where the previous boot left any."""

    def ended(self, boot_id: str | None) -> Cause:
        """Return what ended a start that was made in that boot."""
        return Cause.APPLICATION_DIED if boot_id == self.boot_id else self.cause


def observe(boot_id: str, previous: str | None, marks: tuple[str, str], seen: frozenset[str], root: Path) -> Observed:
    """Read what the kernel and the board say. `marks` are the boot ids in the marks of shutdown unit and agent."""
    fresh = [dump for dump in dumps(root) if dump.mark not in seen] if previous is not None else []
    return Observed(
        boot_id=boot_id,
        previous_boot_id=previous,
        shut_down=previous is not None and marks[0] == previous,
        agent_stopped=previous is not None and marks[1] == previous,
        panic_dumped=any(dump.panic for dump in fresh),
        console_kept=any(dump.name.startswith("console-ramoops") for dump in fresh),
        ram_console=_number(root / "sys/module/ramoops/parameters/console_size") > 0,
        watchdog_status=_watchdog_status(root),
        reasons=_reasons(root),
        powered_on=any(_register(root / name) & PI_POWER_ON for name in PI_FILES),
    )


def dumps(root: Path) -> list[Dump]:
    """Return what pstore holds, oldest name first; what cannot be read is left out."""
    return [dump for folder in PSTORE for path in _records(root / folder) if (dump := _dump(path)) is not None][:DUMPS]


def kernel_tail(fresh: list[Dump]) -> str:
    """Return the end of the newest words, a panic's before the console's."""
    for kind in ("dmesg", "console"):
        found = [dump for dump in fresh if dump.name.startswith(kind)]
        if found:
            return found[-1].text.encode()[-KERNEL_TAIL_BYTES:].decode(errors="replace")
    return ""


def _records(folder: Path) -> Iterator[Path]:
    """Files of a folder and of the folders in it: systemd-pstore files each crash in a folder of its own."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries[: 2 * DUMPS]:
        if entry.is_dir(follow_symlinks=False):
            yield from _records(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _dump(path: Path) -> Dump | None:
    if path.name.endswith(".enc.z"):
        return None  # the kernel could not decompress it
    try:
        with path.open("rb") as file:
            raw = file.read(DUMP_BYTES)
    except OSError:
        return None
    return Dump(path.name, hashlib.sha256(raw).hexdigest()[:16], raw.decode(errors="replace"))


def _reasons(root: Path) -> tuple[str, ...]:
    texts = [_text(path).lower() for pattern in REASON_FILES for path in sorted(root.glob(pattern))]
    return tuple(text for text in texts if text)


def _watchdog_status(root: Path) -> int:
    status = 0
    for path in root.glob("sys/class/watchdog/watchdog*/bootstatus"):
        status |= _number(path)
    return status


def _is_watchdog(reason: str) -> bool:
    return any(word in reason for word in WATCHDOG_WORDS) or reason in HEAT_WORDS


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:256].decode(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _number(path: Path) -> int:
    try:
        return int(_text(path) or "0", 0)
    except ValueError:
        return 0


def _register(path: Path) -> int:
    try:
        return int.from_bytes(path.read_bytes()[:4], "big")
    except OSError:
        return 0
