"""Boot control in memory, for simulated devices: a bootloader that counts or tries once, and its faults.

Promises: the same answers as a real one, so that machine and reconcile cannot tell the difference. `restart` is the
reboot; `Fault` lets a switch silently not take, as some boards do, or a new slot never come up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from surefoot_agent.ports import BootTrial, Capabilities, Counts
from surefoot_shared.status import SlotName, SlotState


class Fault(str, Enum):
    NONE = "none"
    SWITCH_WITHOUT_EFFECT = "switch_without_effect"
    NEW_SLOT_NEVER_STARTS = "new_slot_never_starts"
    """Each try of it ends in a reset, until the bootloader has no more."""


@dataclass(frozen=True)
class Nature:
    """What kind of bootloader is played."""

    tries: int = 1
    one_shot: bool = True
    survives_power: bool = True


ONE_SHOT = Nature()
COUNTER = Nature(tries=3, one_shot=False)


class FakeBoot:
    """BootControl port. `lose_power` is the cold start, before which a count in a register is forgotten."""

    def __init__(self, current: SlotName = SlotName.A, fault: Fault = Fault.NONE, nature: Nature = ONE_SHOT) -> None:
        self.fault, self._nature = fault, nature
        self._current = self._primary = current
        self._trial = BootTrial()
        self.commits: list[SlotName] = []
        self._states = {SlotName.A: SlotState.EMPTY, SlotName.B: SlotState.EMPTY}

    def current(self) -> SlotName:
        return self._current

    def primary(self) -> SlotName:
        return self._trial.slot if self._trial.slot and self._trial.tries_left else self._primary

    def state(self, slot: SlotName) -> SlotState:
        return self._states[slot]

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        self._states[slot] = state
        if state is not SlotState.GOOD and self._trial.slot is slot:
            self._trial = BootTrial()

    def arm_trial(self, slot: SlotName) -> None:
        if self.fault is not Fault.SWITCH_WITHOUT_EFFECT:
            self._trial = BootTrial(slot, self._nature.tries)

    def set_primary(self, slot: SlotName) -> None:
        if self.fault is Fault.SWITCH_WITHOUT_EFFECT and slot is not self._current:
            return
        self._primary, self._trial = slot, BootTrial()

    def commit(self, slot: SlotName) -> None:
        self.commits.append(slot)
        self._states[slot] = SlotState.GOOD
        self.set_primary(slot)

    def trial(self) -> BootTrial:
        return self._trial

    def capabilities(self) -> Capabilities:
        return Capabilities(
            needs_restart=True,
            counts=Counts.EVERY_START,
            tries=self._nature.tries,
            one_shot=self._nature.one_shot,
            survives_power=self._nature.survives_power,
        )

    def restart(self) -> SlotName:
        """Start the machine: the armed slot while it has tries, else the primary one."""
        self._current = self._enter()
        while self.fault is Fault.NEW_SLOT_NEVER_STARTS and self._current is not self._primary:
            self._current = self._enter()
        return self._current

    def lose_power(self) -> SlotName:
        """Start the machine cold."""
        if not self._nature.survives_power and self._trial.slot is not None:
            self._trial = BootTrial(self._trial.slot, self._nature.tries)
        return self.restart()

    def _enter(self) -> SlotName:
        slot, left = self._trial.slot, self._trial.tries_left or 0
        if slot is None or not left:
            if slot is not None:
                self._trial = BootTrial(gave_up=slot)
            return self._primary
        forgotten = self._nature.one_shot
        self._trial = BootTrial() if forgotten else BootTrial(slot, left - 1)
        return slot
