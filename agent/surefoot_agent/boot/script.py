"""Boot control by a script of the board's maker that knows RAUC's verbs for custom backends.

    get-primary | set-primary NAME | get-state NAME | set-state NAME good|bad | get-current

Promises: it is called with a fixed argument list and without a shell; it must end with 0, and say one name, or good or
bad, on its output. What it has no words for (empty, and which slot is on trial) is noted by `noted.py`. Each write is
read back. Refuses any other answer: a script that hangs, fails or says nothing is told, and not guessed from.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from surefoot_agent.boot import tool
from surefoot_agent.boot.noted import NotedBoot, Switch
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import Capabilities, Counts
from surefoot_shared.status import SlotName, SlotState


class Script:
    """Board. `current` is asked instead of the script, where the kernel's command line tells the slot."""

    def __init__(
        self,
        script: Path,
        names: Names,
        current: Callable[[], SlotName] | None = None,
        timeout_s: float = tool.TIMEOUT_S,
    ) -> None:
        self.title = f"{script.name} set-primary"
        self._script, self._names = script, names
        self._current, self._timeout_s = current, timeout_s

    def current(self) -> SlotName:
        return self._current() if self._current else self._slot("get-current")

    def switch(self) -> Switch:
        return Switch(self._slot("get-primary"))

    def arm(self, slot: SlotName) -> None:
        self._call("set-primary", slot)

    def enter(self, slot: SlotName) -> None:
        self._call("set-primary", slot)

    def mark(self, slot: SlotName, good: bool) -> None:
        self._call("set-state", slot, "good" if good else "bad")
        if self._is_good(slot) is not good:
            raise tool.failed(f"{self._script.name} set-state had no effect.")

    def claim(self, slot: SlotName) -> SlotState:
        return SlotState.GOOD if self._is_good(slot) else SlotState.BAD

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=True, counts=Counts.EVERY_START, tries=None, obeys_marks=False)

    def way_back(self, slot: SlotName) -> tuple[tuple[str, ...], ...]:
        """The script's own verb, for whoever has no boot control."""
        return ((str(self._script), "set-primary", self._names.of(slot)),)

    def _is_good(self, slot: SlotName) -> bool:
        word = self._call("get-state", slot).strip()
        if word not in ("good", "bad"):
            raise tool.failed(f"{self._script.name} get-state says {word[:40]!r}, which is neither good nor bad.")
        return word == "good"

    def _slot(self, verb: str) -> SlotName:
        name = self._call(verb).strip()
        slot = self._names.slot(name)
        if slot is None:
            raise tool.failed(f"{self._script.name} {verb} says {name[:40]!r}, which names no slot.", "Set boot_slots.")
        return slot

    def _call(self, verb: str, slot: SlotName | None = None, *more: str) -> str:
        name = (self._names.of(slot),) if slot else ()
        return tool.run((str(self._script), verb, *name, *more), timeout_s=self._timeout_s)


class ScriptBoot(NotedBoot):
    """BootControl port."""

    def __init__(
        self,
        script: Path,
        names: Names,
        component_dir: Path,
        current: Callable[[], SlotName] | None = None,
        timeout_s: float = tool.TIMEOUT_S,
    ) -> None:
        super().__init__(Script(script, names, current, timeout_s), component_dir)
