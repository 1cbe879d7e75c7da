"""Boot control of UEFI firmware: BootNext tries an entry once, BootOrder says which one is entered from then on.

Promises: a trial is BootNext alone, which the firmware removes before it starts the entry, so anything that ends it
leads back; each act is one variable, changed with `efibootmgr` and read back; the order of all other entries stays.
Refuses a machine whose firmware has lost an entry, and says how it is made again.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

from surefoot_agent.boot import tool
from surefoot_agent.boot.noted import Switch
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import Capabilities, Counts
from surefoot_agent.way_back import Commands
from surefoot_shared.status import SlotName, SlotState

_ENTRY = re.compile(r"^Boot([0-9A-F]{4})([* ]) ([^\t\n]*)", re.MULTILINE)
"""Number, a star where it is active, label; from version 18 on the device path follows behind a tabulator."""
_FACT = re.compile(r"^(BootCurrent|BootNext|BootOrder): ([0-9A-F,]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Variables:
    """What `efibootmgr` shows: entry number of each slot, and the firmware's own variables."""

    numbers: dict[SlotName, str]
    current: str | None
    following: str | None
    order: tuple[str, ...]
    asleep: frozenset[SlotName] = field(default=frozenset())
    """Slots whose entries are not active: the firmware passes over them in its order."""

    def slot(self, number: str | None) -> SlotName | None:
        return next((slot for slot, own in self.numbers.items() if own == number), None)


def parse(shown: str, names: Names) -> Variables:
    """Read what efibootmgr prints, of which labels are what somebody once typed, spaces and all.

    Of entries with one label the first in BootOrder counts: a factory that was run twice leaves an older one behind.
    """
    facts: dict[str, str] = dict(_FACT.findall(shown))
    order = tuple(facts["BootOrder"].split(",")) if "BootOrder" in facts else ()
    place = {number: at for at, number in enumerate(order)}
    found = sorted(_ENTRY.findall(shown), key=lambda entry: place.get(entry[0], len(order)))
    entries = {label.strip(): (number, star) for number, star, label in reversed(found)}
    ours = {slot: entries[names.of(slot)] for slot in SlotName if names.of(slot) in entries}
    numbers = {slot: number for slot, (number, _) in ours.items()}
    asleep = frozenset(slot for slot, (_, star) in ours.items() if star != "*")
    return Variables(numbers, facts.get("BootCurrent"), facts.get("BootNext"), order, asleep)


def unordered(found: Variables) -> tuple[SlotName, ...]:
    """The slots whose entries BootOrder does not name: the firmware would never enter them but by BootNext."""
    return tuple(slot for slot in SlotName if found.numbers.get(slot) not in found.order)


class Efi:
    """Board. `current` is asked instead of BootCurrent, where the kernel's command line tells the slot."""

    title = "Setting BootOrder"

    def __init__(
        self, names: Names, program: str = "efibootmgr", current: Callable[[], SlotName] | None = None
    ) -> None:
        self._names, self._program, self._current = names, program, current

    def current(self) -> SlotName:
        if self._current:
            return self._current()
        found = self._read()
        slot = found.slot(found.current)
        if slot is None:
            hint = "Start one of the slots' entries, or set boot_argument."
            raise tool.failed(f"The firmware started entry {found.current}, which is no slot's.", hint)
        return slot

    def switch(self) -> Switch:
        found = self._read()
        once = found.slot(found.following)
        if once is not None and once is not self._committed(found):
            return Switch(once, True, 1)
        return Switch(self._committed(found), False)

    def arm(self, slot: SlotName) -> None:
        self._run("--bootnext", self._read().numbers[slot])

    def enter(self, slot: SlotName) -> None:
        found = self._read()
        if found.following is not None:
            self._run("--delete-bootnext")
        ours = tuple(found.numbers[each] for each in (slot, slot.other))
        order = (*ours, *(number for number in found.order if number not in ours))
        if found.order[:1] != order[:1]:
            self._run("--bootorder", ",".join(order))

    def mark(self, slot: SlotName, good: bool) -> None:
        """UEFI knows no marks. An entry that cannot be started is passed over, whatever it is marked."""

    def claim(self, slot: SlotName) -> SlotState:
        return SlotState.EMPTY

    def capabilities(self) -> Capabilities:
        return Capabilities(True, Counts.EVERY_START, tries=1, one_shot=True, obeys_marks=False)

    def way_back(self, slot: SlotName) -> Commands:
        """A trial that was entered is over by any restart; one that was not is taken back."""
        program = shutil.which(self._program, path=tool.PATH)
        return ((program, "-q", "--delete-bootnext"),) if program else ()

    def _committed(self, found: Variables) -> SlotName:
        """The first of our entries in BootOrder: what stands before it (a network, a stick) is not there, or starts."""
        slot = next((s for number in found.order if (s := found.slot(number)) is not None), None)
        if slot is None:
            raise tool.failed("BootOrder names neither slot's entry.", "efibootmgr --bootorder puts one first.")
        return slot

    def _read(self) -> Variables:
        found = parse(tool.run((self._program,)), self._names)
        missing = [self._names.of(slot) for slot in SlotName if slot not in found.numbers]
        if missing:
            label = shlex.quote(missing[0])
            hint = f"Make it again: efibootmgr --create-only --label {label} --disk … --part … --loader …"
            raise tool.failed(f"The firmware has no boot entry named {' or '.join(missing)}.", hint)
        return found

    def _run(self, *arguments: str) -> None:
        tool.run((self._program, "-q", *arguments))
