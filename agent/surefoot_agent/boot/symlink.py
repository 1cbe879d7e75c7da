"""Boot control of directory slots: the `current` link, and the slots' states in a record of two generations.

Promises: each write is durable when the call returns and holds the trial lock; a flip is a rename, whole or not at all.
Refuses to guess: where the link is damaged, `current` raises and nothing is changed. Only on a component that has
neither link nor states (a new device) does the link begin at A.
"""

from __future__ import annotations

import os
from pathlib import Path

from surefoot_agent import durable, guard
from surefoot_agent.ports import BootTrial, Capabilities, Counts
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState


class SymlinkBoot:
    """BootControl port: the link is both what runs and what the next start enters."""

    def __init__(self, component_dir: Path) -> None:
        self._folder = component_dir
        durable.make_folder(component_dir)
        with guard.trial_lock(component_dir):
            if not os.path.lexists(component_dir / "current") and guard.load_record(component_dir, "boot") is None:
                guard.point_current(component_dir, SlotName.A.value)

    def current(self) -> SlotName:
        found = guard.current_slot(self._folder)
        if found is None:
            link = self._folder / "current"
            message = f"{link} does not point to a slot; nothing was changed."
            raise InstallFailed(
                "switch_had_no_effect", message, f"Point it to slots/A or slots/B: ln -sfn slots/A {link}"
            )
        return SlotName(found)

    def primary(self) -> SlotName:
        return self.current()

    def state(self, slot: SlotName) -> SlotState:
        """What is stored, and bad for a word that no version of ours wrote."""
        stored = guard.slot_states(self._folder)[slot.value]
        return SlotState(stored) if stored in {s.value for s in SlotState} else SlotState.BAD

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        with guard.trial_lock(self._folder):
            guard.set_slot_state(self._folder, slot.value, state.value)
            durable.sync_record(self._folder, "boot")

    def arm_trial(self, slot: SlotName) -> None:
        """Flip the link; what makes it a trial is the record that the agent wrote before, which the guard reads."""
        self.set_primary(slot)

    def set_primary(self, slot: SlotName) -> None:
        with guard.trial_lock(self._folder):
            if guard.current_slot(self._folder) == slot.value:
                guard.fsync_folder(self._folder)  # whoever moved it may have died before its name was durable
            else:
                guard.point_current(self._folder, slot.value)

    def commit(self, slot: SlotName) -> None:
        with guard.trial_lock(self._folder):
            self.set_state(slot, SlotState.GOOD)
            self.set_primary(slot)

    def trial(self) -> BootTrial:
        """Say that a link knows nothing of trials: the trial record does."""
        return BootTrial(known=False)

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=False, counts=Counts.NOTHING, tries=None)
