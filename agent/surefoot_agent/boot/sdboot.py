"""Boot control of systemd-boot: the names of the entries say which is first, and how many starts it has left.

    surefoot-12-a.conf          committed: the highest number that has no count, or a count that is not 0
    surefoot-13-b+3.conf        on trial; the loader makes +2-1, +1-2 and +0-3 of it, and sorts +0 last

Promises: each act is one rename, as systemd-bless-boot's is; the text of an entry is never written. Refuses to choose
where a slot has no entry. Two entries of one slot, which a cut rename may leave on FAT, count as the one with the
higher number, and the other is removed by the next act.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.boot import tool
from surefoot_agent.boot.noted import Switch
from surefoot_agent.boot.variables import Names
from surefoot_agent.guard import fsync_folder
from surefoot_agent.ports import Capabilities, Counts
from surefoot_agent.way_back import Commands
from surefoot_shared.status import SlotName, SlotState

_NAME = re.compile(r"surefoot-([0-9]+)-([A-Za-z0-9_]+?)(?:\+([0-9]+)(?:-[0-9]+)?)?\.(conf|efi)")
BLESS = ("/usr/lib/systemd/systemd-bless-boot", "/lib/systemd/systemd-bless-boot")


@dataclass(frozen=True)
class Entry:
    """One entry by its name in the folder. `left` is None where starts are not counted."""

    file: str
    number: int
    name: str
    left: int | None
    ending: str

    @property
    def rank(self) -> tuple[bool, int]:
        """The loader's order, highest first: what has no start left comes last. Source: systemd-boot(7)."""
        return self.left != 0, self.number

    def named(self, number: int, left: int | None) -> str:
        """Return its name with another number and count."""
        return f"surefoot-{number}-{self.name}{f'+{left}' if left is not None else ''}.{self.ending}"


def parse(name: str) -> Entry | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    number, slot, left, ending = found.groups()
    return Entry(name, int(number), slot, int(left) if left else None, ending)


class SystemdBoot:
    """Board. `current` reads the kernel's command line."""

    title = "Renaming the entry"

    def __init__(
        self,
        folder: Path,
        names: Names,
        tries: int,
        current: Callable[[], SlotName],
        bless: Sequence[str] = BLESS,
    ) -> None:
        self._folder, self._names, self._tries, self._bless = folder, names, tries, bless
        self.current = current

    def switch(self) -> Switch:
        entries = self._entries()
        slot = max(entries, key=lambda each: entries[each].rank)
        entry = entries[slot]
        return Switch(slot, True, entry.left) if entry.left else Switch(slot, False)

    def arm(self, slot: SlotName) -> None:
        entries = self._entries()
        self._rename(entries[slot], entries[slot].named(_above(entries), self._tries))

    def enter(self, slot: SlotName) -> None:
        entries = self._entries()
        first = entries[slot].rank > entries[slot.other].rank and entries[slot].left != 0
        number = entries[slot].number if first else _above(entries)
        self._rename(entries[slot], entries[slot].named(number, None))

    def mark(self, slot: SlotName, good: bool) -> None:
        """The loader knows no marks but a count of 0, and falls to what is next."""

    def claim(self, slot: SlotName) -> SlotState:
        return SlotState.EMPTY

    def capabilities(self) -> Capabilities:
        return Capabilities(True, Counts.EVERY_START, tries=self._tries, obeys_marks=False)

    def way_back(self, slot: SlotName) -> Commands:
        """Take every start from what runs, so that the loader sorts it last; what is not counted keeps its place."""
        program = next((path for path in self._bless if os.access(path, os.X_OK)), None)
        return ((program, "bad"),) if program else ()

    def _rename(self, entry: Entry, wanted: str) -> None:
        if entry.file != wanted:
            os.rename(self._folder / entry.file, self._folder / wanted)
        fsync_folder(self._folder)
        for each in self._all():
            if each.name == entry.name and each.file != wanted:
                durable.remove(self._folder / each.file)

    def _entries(self) -> dict[SlotName, Entry]:
        found: dict[SlotName, Entry] = {}
        for entry in sorted(self._all(), key=lambda each: each.rank):
            slot = self._names.slot(entry.name)
            if slot is not None:
                found[slot] = entry
        missing = [self._names.of(slot) for slot in SlotName if slot not in found]
        if missing:
            hint = f"Put surefoot-1-{missing[0]}.conf there, or set boot_files and boot_slots."
            raise tool.failed(f"{self._folder} has no entry of slot {' or '.join(missing)}.", hint)
        return found

    def _all(self) -> list[Entry]:
        try:
            names = sorted(os.listdir(self._folder))
        except OSError as error:
            raise tool.failed(f"{self._folder} cannot be read: {error.strerror}.", "Set boot_files.") from error
        return [entry for name in names if (entry := parse(name)) is not None]


def _above(entries: dict[SlotName, Entry]) -> int:
    return max(entry.number for entry in entries.values()) + 1
