"""Boot control of the Raspberry Pi's own firmware: autoboot.txt names the partition, the tryboot flag tries the other.

Promises: a trial is the flag alone, so anything that ends it leads back; the file is written at a commit only, in its
place, one sector in one write, at the same length, so FAT changes nothing but those bytes, and each byte of that write
leaves a file that names a slot; its content is kept on the data partition before, and read back after. Refuses
a file that does not try the other slot, and a slot of which `allowed` raises. What runs is read from the device tree.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.boot import tool
from surefoot_agent.boot.noted import Switch
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import Capabilities, Counts
from surefoot_agent.way_back import Commands
from surefoot_shared.status import SlotName, SlotState

SECTOR = 512
"""What a card writes as one; the firmware reads no longer file."""
GET, SET = "0x00030064", "0x00038064"
"""Mailbox tags of the reboot flags; bit 0 is tryboot. Source: the kernel's soc/bcm2835/raspberrypi-firmware.h."""
PLAIN = "[all]\ntryboot_a_b=1\nboot_partition=0\n[tryboot]\nboot_partition=0\n"
ANSWERED = 0x80000004
COPY = "autoboot.copy"
TREE = Path("/proc/device-tree/chosen/bootloader")
_PARTITION = re.compile(r"^boot_partition=([0-9]+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Autoboot:
    """A file that is understood: the partition that is booted, and the one that tryboot boots."""

    committed: int
    tried: int


def parse(text: str) -> Autoboot | None:
    """Return what a file says; None unless it is the two sections that A/B needs, each with its partition."""
    everything, sign, tried = text.partition("\n[tryboot]\n")
    first, second = _PARTITION.findall(everything), _PARTITION.findall(tried)
    whole = everything.startswith("[all]\n") and "\ntryboot_a_b=1\n" in everything and "[" not in everything[5:] + tried
    return Autoboot(int(first[0]), int(second[0])) if sign and whole and len(first) == len(second) == 1 else None


def render(text: str, committed: int, tried: int) -> bytes:
    """Return the file for one sector: `text`, which was understood, with these partitions.

    The committed one stands first: no half of a write over the one before is a third state.
    """
    numbers = iter((committed, tried))
    told = _PARTITION.sub(lambda _: f"boot_partition={next(numbers)}", text).rstrip("\n")
    return f"{told}\n".encode("latin-1").ljust(SECTOR, b"\n")


class Tryboot:
    """Board."""

    title = "Writing autoboot.txt"

    def __init__(
        self,
        folder: Path,
        autoboot: Path,
        names: Names,
        mailbox: str = "vcmailbox",
        tree: Path = TREE,
        allowed: Callable[[SlotName], None] = lambda slot: None,
    ) -> None:
        """`allowed` raises InstallFailed where a slot must not be entered on trial."""
        self._folder, self._autoboot, self._names, self._allowed = folder, autoboot, names, allowed
        self._mailbox, self._tree = mailbox, tree

    def current(self) -> SlotName:
        """The partition that the firmware booted from. Source: device-tree property, one big-endian number."""
        try:
            number = int.from_bytes((self._tree / "partition").read_bytes(), "big")
        except OSError as error:
            hint = "Update the Pi's bootloader (EEPROM): an old one does not say from which partition it booted."
            raise tool.failed(f"{self._tree}/partition cannot be read: {error.strerror}.", hint) from error
        return self._slot(number, "The firmware booted from")

    def switch(self) -> Switch:
        found, armed = self._read(), self._armed()
        slot = self._slot(found.tried if armed else found.committed, f"{self._autoboot} boots")
        return Switch(slot, True, 1) if armed and found.tried != found.committed else Switch(slot, False)

    def arm(self, slot: SlotName) -> None:
        if self._slot(self._read().committed, f"{self._autoboot} boots") is slot:
            raise tool.failed(f"Slot {slot.value} is committed: a Raspberry Pi can only try the other one.")
        self._allowed(slot)
        self._write(slot.other)  # as it is, unless a commit was cut in its middle
        self._flag(True)

    def enter(self, slot: SlotName) -> None:
        if self._armed():
            self._flag(False)
        self._write(slot)

    def mark(self, slot: SlotName, good: bool) -> None:
        """The firmware knows no marks, and never falls to the other slot by itself."""

    def claim(self, slot: SlotName) -> SlotState:
        return SlotState.EMPTY

    def capabilities(self) -> Capabilities:
        """The flag is in a register that a cold start clears."""
        return Capabilities(True, Counts.EVERY_START, tries=1, one_shot=True, survives_power=False)

    def way_back(self, slot: SlotName) -> Commands:
        """A trial that was entered is over by any restart; one that was not is taken back."""
        program = shutil.which(self._mailbox, path=tool.PATH)
        return ((program, SET, "4", "0", "0"),) if program else ()

    def _read(self) -> Autoboot:
        """What the file says; where FAT lost it, what it will say again after the commit that follows each start."""
        try:
            text = self._autoboot.read_text(encoding="latin-1")
        except OSError as error:
            raise tool.failed(f"{self._autoboot} cannot be read: {error.strerror}.", "Set boot_files.") from error
        found = parse(text) or parse(self._copy())
        if found is None:
            hint = "Write it as docs/boot-control.md shows."
            raise tool.failed(f"{self._autoboot} does not try one of two partitions.", hint)
        return found

    def _copy(self) -> str:
        """The content that we wrote last; nothing where we never did."""
        with suppress(OSError):
            return (self._folder / COPY).read_text(encoding="latin-1")
        return ""

    def _write(self, slot: SlotName) -> None:
        """Write in place, or make durable what stands there already."""
        now = self._autoboot.read_bytes()
        wanted = self._wanted(now, slot)
        if self._copy() != wanted.decode("latin-1"):
            guard.write_file(self._folder / COPY, wanted)
        with self._autoboot.open("r+b", buffering=0) as file:
            if wanted != now:
                file.write(wanted)
            os.fsync(file.fileno())
        if self._autoboot.read_bytes()[:SECTOR] != wanted[:SECTOR]:
            raise tool.failed(f"{self._autoboot} does not read back.", "Check the card: it may have turned read-only.")

    def _wanted(self, now: bytes, slot: SlotName) -> bytes:
        """The file as it is, or with both partitions set in it; what is not understood is made from our copy."""
        committed, tried = (int(self._names.of(each)) for each in (slot, slot.other))
        text = now.decode("latin-1")
        if parse(text) == Autoboot(committed, tried):
            return now
        text = next((each for each in (text, self._copy()) if parse(each)), PLAIN)
        wanted = render(text, committed, tried)
        if len(wanted) > SECTOR:
            raise tool.failed(f"{self._autoboot} is longer than a sector, {SECTOR} bytes: shorten it.")
        return wanted

    def _armed(self) -> bool:
        return bool(self._property(GET, "0") & 1)

    def _flag(self, on: bool) -> None:
        self._property(SET, "1" if on else "0")

    def _property(self, tag: str, value: str) -> int:
        """Ask the firmware. Raises InstallFailed where it does not know the tag."""
        words = tool.run((self._mailbox, tag, "4", "0", value)).split()
        try:
            numbers = [int(word, 16) for word in words]
        except ValueError:
            numbers = []
        if len(numbers) < 6 or numbers[4] != ANSWERED:
            raise tool.failed("The firmware's mailbox does not answer for the tryboot flag.", "Update the firmware.")
        return numbers[5]

    def _slot(self, number: int, what: str) -> SlotName:
        slot = self._names.slot(str(number))
        if slot is None:
            raise tool.failed(f"{what} partition {number}, which is no slot's.", "Set boot_slots.")
        return slot
