"""Boot control in memory, for simulated devices: a bootloader with a one-shot trial, and its faults.

Promises: the same answers as a real one, so that machine and reconcile cannot tell the difference. `restart` is the
reboot; `Fault` lets a switch silently not take, as some boards do, or a new slot never come up.
"""

from __future__ import annotations

from enum import Enum

from surefoot_shared.status import SlotName, SlotState


class Fault(str, Enum):
    NONE = "none"
    SWITCH_WITHOUT_EFFECT = "switch_without_effect"
    NEW_SLOT_NEVER_STARTS = "new_slot_never_starts"


class FakeBoot:
    """BootControl port: a trial is entered once, and left by the next restart unless it was made primary."""

    def __init__(self, current: SlotName = SlotName.A, fault: Fault = Fault.NONE) -> None:
        self.fault = fault
        self._current = self._primary = current
        self._trial: SlotName | None = None
        self._states = {SlotName.A: SlotState.EMPTY, SlotName.B: SlotState.EMPTY}

    def current(self) -> SlotName:
        return self._current

    def primary(self) -> SlotName:
        return self._trial or self._primary

    def state(self, slot: SlotName) -> SlotState:
        return self._states[slot]

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        self._states[slot] = state

    def arm_trial(self, slot: SlotName) -> None:
        if self.fault is not Fault.SWITCH_WITHOUT_EFFECT:
            self._trial = slot

    def set_primary(self, slot: SlotName) -> None:
        if self.fault is Fault.SWITCH_WITHOUT_EFFECT and slot is not self._current:
            return
        self._primary, self._trial = slot, None

    def restart(self) -> SlotName:
        """Start the machine: the armed slot once, else the primary one."""
        entered = self._trial if self._trial is not None else self._primary
        self._trial = None
        never = self.fault is Fault.NEW_SLOT_NEVER_STARTS and entered is not self._primary
        self._current = self._primary if never else entered
        return self._current
