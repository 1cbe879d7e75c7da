"""Boot control by a script of the board's maker that knows RAUC's verbs for custom backends.

    get-primary | set-primary NAME | get-state NAME | set-state NAME good|bad | get-current

Promises: it is called with a fixed argument list and without a shell; it must end with 0, and say one name, or good or
bad, on its output. What it has no words for (empty, and which slot is on trial) stands in the component's own record of
two generations, written around the script's act so that a death in between shows the old switch or the new one. Each
write is read back. Refuses any other answer: a script that hangs, fails or says nothing is told, and not guessed from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from surefoot_agent import durable, guard
from surefoot_agent.boot import tool
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import BootTrial, Capabilities, Counts
from surefoot_shared.status import SlotName, SlotState

RECORD = "boot"


class ScriptBoot:
    """BootControl port. `current` is asked instead of the script, where the kernel's command line tells the slot."""

    def __init__(
        self,
        script: Path,
        names: Names,
        component_dir: Path,
        current: Callable[[], SlotName] | None = None,
        timeout_s: float = tool.TIMEOUT_S,
    ) -> None:
        self._script, self._names, self._folder = script, names, component_dir
        self._current, self._timeout_s = current, timeout_s

    def current(self) -> SlotName:
        return self._current() if self._current else self._slot("get-current")

    def primary(self) -> SlotName:
        return self._slot("get-primary")

    def set_primary(self, slot: SlotName) -> None:
        with self._alone():
            self._go_to(slot)
            self._note(trial=None)

    def state(self, slot: SlotName) -> SlotState:
        """What is stored; the script's word where nothing is, and bad for a word that no version of ours wrote."""
        stored = self._record().get(slot.value)
        if stored is None:
            return SlotState.GOOD if self._is_good(slot) else SlotState.BAD
        return SlotState(stored) if stored in {s.value for s in SlotState} else SlotState.BAD

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        with self._alone():
            if state is SlotState.GOOD:
                self._mark(slot, good=True)
            elif self.trial().slot is slot:
                self._go_to(slot.other)
                self._mark(slot, good=False)
                self._note(trial=None)
            elif self.primary() is not slot:  # a mark never moves what is entered; RAUC's bad would
                self._mark(slot, good=False)
            self._note(**{slot.value: state.value})

    def arm_trial(self, slot: SlotName) -> None:
        """Arm without looking whether it took: `primary` says, and a script that did nothing must be told apart."""
        with self._alone():
            self._note(trial=slot.value, armed=False)
            self._call("set-primary", slot)
            self._note(trial=slot.value, armed=self.primary() is slot)

    def trial(self) -> BootTrial:
        record = self._record()
        slot = next((s for s in SlotName if record.get("trial") == s.value), None)
        if slot is None:
            return BootTrial()
        if self.primary() is slot:
            return BootTrial(slot)
        return BootTrial(gave_up=slot if record.get("armed") else None)

    def commit(self, slot: SlotName) -> None:
        with self._alone():
            self._mark(slot, good=True)
            self._go_to(slot)
            self._note(trial=None, **{slot.value: SlotState.GOOD.value})

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=True, counts=Counts.EVERY_START, tries=None, obeys_marks=False)

    def way_back(self, slot: SlotName) -> tuple[tuple[str, ...], ...]:
        """The script's own verb, for whoever has no boot control."""
        return ((str(self._script), "set-primary", self._names.of(slot)),)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        durable.make_folder(self._folder)
        with guard.trial_lock(self._folder):
            yield

    def _go_to(self, slot: SlotName) -> None:
        """Make a slot the primary one; from here to the end of the act a trial that is left was left by order."""
        if self._record().get("armed"):
            self._note(armed=False)
        self._call("set-primary", slot)
        if self.primary() is not slot:
            raise tool.failed(f"{self._script.name} set-primary had no effect.")

    def _mark(self, slot: SlotName, good: bool) -> None:
        self._call("set-state", slot, "good" if good else "bad")
        if self._is_good(slot) is not good:
            raise tool.failed(f"{self._script.name} set-state had no effect.")

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

    def _record(self) -> dict[str, object]:
        return guard.load_record(self._folder, RECORD) or {}

    def _note(self, **changes: str | bool | None) -> None:
        """Store changes of our record; where nothing changes, make durable what stands there."""
        before = self._record()
        after = {key: value for key, value in {**before, **changes}.items() if value not in (None, False)}
        if after != before:
            guard.save_record(self._folder, RECORD, after)
        else:
            durable.sync_record(self._folder, RECORD)
