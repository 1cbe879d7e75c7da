"""Boot control of NVIDIA's Jetson with UEFI, by `nvbootctrl` and the firmware's variables of the roots' status.

Promises: before a switch the target's status is set to normal, for a slot that failed once is else refused for ever;
what is active then is read back, since boards without rootfs redundancy take the order, answer well and do nothing.
There the boot chain is switched, which root and firmware share. A committed slot is verified at each start, or the
firmware would leave it after three; a slot on trial never is, and the file `on_trial` keeps NVIDIA's own unit from it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from surefoot_agent import durable, guard
from surefoot_agent.boot import tool
from surefoot_agent.boot.noted import Switch
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import Capabilities, Counts
from surefoot_agent.way_back import Commands
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState

EFIVARS = Path("/sys/firmware/efi/efivars")
GUID = "781e084c-a330-417c-b678-38e696380cb9"
"""Of NVIDIA's variables. Source: edk2-nvidia, L4TLauncher."""
NORMAL, UNBOOTABLE = 0x00, 0xFF
ATTRIBUTES = bytes((7, 0, 0, 0))
"""Non-volatile, and visible both to the loader and to Linux; efivarfs has them before the value."""
ON_TRIAL = "on_trial"
NUMBERS = Names("0", "1")
_ACTIVE = re.compile(r"^Active (?:rootfs|bootloader) slot: ([AB])\s*$", re.MULTILINE)
_SLOT = re.compile(r"^slot: ([01]),(?:\s*retry_count: (\d+),)?\s*status: (\w+)", re.MULTILINE)


class Jetson:
    """Board."""

    title = "nvbootctrl set-active-boot-slot"

    def __init__(self, folder: Path, program: str = "nvbootctrl", efivars: Path = EFIVARS) -> None:
        self._folder, self._program, self._efivars = folder, program, efivars

    def current(self) -> SlotName:
        word = self._call("get-current-slot").strip()
        slot = NUMBERS.slot(word)
        if slot is None:
            raise tool.failed(f"nvbootctrl get-current-slot says {word[:40]!r}, which is no slot.")
        return slot

    def switch(self) -> Switch:
        shown = self._call("dump-slots-info")
        active = _ACTIVE.search(shown)
        if active is None:
            raise tool.failed("nvbootctrl dump-slots-info does not say which slot is active.")
        slot = SlotName(active[1])
        dead = {
            NUMBERS.slot(number) for number, left, status in _SLOT.findall(shown) if status != "normal" or left == "0"
        }
        return Switch(slot.other if slot in dead and slot.other not in dead else slot)

    def arm(self, slot: SlotName) -> None:
        guard.write_file(self._folder / ON_TRIAL, f"{NUMBERS.of(slot)}\n".encode())
        self._status(slot, NORMAL)
        self._call("set-active-boot-slot", NUMBERS.of(slot))

    def enter(self, slot: SlotName) -> None:
        self._status(slot, NORMAL)
        if self.switch().primary is not slot:
            self._call("set-active-boot-slot", NUMBERS.of(slot))
        if self.switch().primary is slot is self.current():
            self._call("verify")
        durable.remove(self._folder / ON_TRIAL)

    def mark(self, slot: SlotName, good: bool) -> None:
        self._status(slot, NORMAL if good else UNBOOTABLE)

    def claim(self, slot: SlotName) -> SlotState:
        return SlotState.BAD if self._stored(slot) not in (None, NORMAL) else SlotState.EMPTY

    def capabilities(self) -> Capabilities:
        """How many starts are granted is set when the board is flashed; the count, in a register, decides alone."""
        return Capabilities(True, Counts.EVERY_START, tries=None, survives_power=False, obeys_marks=False)

    def way_back(self, slot: SlotName) -> Commands:
        program = shutil.which(self._program, path=tool.PATH)
        return ((program, *self._target(), "set-active-boot-slot", NUMBERS.of(slot)),) if program else ()

    def redundant(self) -> bool:
        """Whether the firmware knows roots of its own beside the boot chains; set when the board is flashed."""
        return self._value("RootfsRedundancyLevel") == 1

    def _target(self) -> tuple[str, ...]:
        return ("-t", "rootfs") if self.redundant() else ()

    def _call(self, *words: str) -> str:
        return tool.run((self._program, *self._target(), *words))

    def _stored(self, slot: SlotName) -> int | None:
        return self._value(f"RootfsStatusSlot{slot.value}")

    def _value(self, name: str) -> int | None:
        """The first byte of a variable; None where the firmware has no such."""
        try:
            content = (self._efivars / f"{name}-{GUID}").read_bytes()
        except FileNotFoundError:
            return None
        return content[len(ATTRIBUTES)] if len(content) > len(ATTRIBUTES) else None

    def _status(self, slot: SlotName, value: int) -> None:
        """Set a root's status where the firmware keeps one. efivarfs wants one write of the whole variable."""
        file = self._efivars / f"RootfsStatusSlot{slot.value}-{GUID}"
        if self._stored(slot) in (None, value):
            return
        with suppress(InstallFailed):  # a file system without such flags has none to take away
            tool.run(("chattr", "-i", str(file)))
        try:
            with file.open("r+b", buffering=0) as variable:
                variable.write(ATTRIBUTES + bytes((value, 0, 0, 0)))
                _synced(variable.fileno())
        except OSError as error:
            raise tool.failed(f"The firmware refuses a new status of slot {slot.value}: {error.strerror}.") from error
        if self._stored(slot) != value:
            raise tool.failed(f"The status of slot {slot.value} does not read back.")


def _synced(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # efivarfs has no cache and no fsync
            raise
