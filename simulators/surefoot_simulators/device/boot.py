"""Bootloaders of simulated devices: the link of a folder, a counter, a single try, and a switch that does nothing.

Promises: each is the agent's own adapter or its stand-in in memory, held to the contract of all boot controls; here
they only gain points at which the machine can end, and faults that boards really have.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from surefoot_agent.boot.fake import COUNTER, ONE_SHOT, FakeBoot, Fault, Nature
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_shared.status import SlotName, SlotState
from surefoot_simulators.device.board import Board


class Kind(str, Enum):
    """How a component is booted; the words of scenarios."""

    LINK = "link"
    """A folder: the application restarts, the machine does not."""
    COUNTER = "counter"
    """A root with three tries, as U-Boot and GRUB count them."""
    ONE_SHOT = "one-shot"
    """A root with a single try, as EFI's BootNext and a Raspberry Pi's tryboot."""
    FORGETFUL = "forgetful"
    """One that counts in a register: a cold start gives every try back."""

    @property
    def is_root(self) -> bool:
        return self is not Kind.LINK


NATURES = {
    Kind.COUNTER: COUNTER,
    Kind.ONE_SHOT: ONE_SHOT,
    Kind.FORGETFUL: Nature(tries=3, one_shot=False, survives_power=False),
}


class LinkBoot(SymlinkBoot):
    """`ignores_switches` is a flip that reports success and does nothing."""

    def __init__(self, folder: Path, board: Board) -> None:
        self._board, self.ignores_switches = board, False
        super().__init__(folder)

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        with self._board.around("boot mark"):
            super().set_state(slot, state)

    def set_primary(self, slot: SlotName) -> None:
        with self._board.around("boot primary"):
            super().set_primary(slot)

    def arm_trial(self, slot: SlotName) -> None:
        with self._board.around("boot arm"):
            if not self.ignores_switches:
                super().arm_trial(slot)

    def commit(self, slot: SlotName) -> None:
        with self._board.around("boot commit"):
            super().commit(slot)


class RootBoot(FakeBoot):
    """`never_starts` says whether what is in a slot comes up at all."""

    def __init__(self, board: Board, nature: Nature) -> None:
        super().__init__(nature=nature)
        self._board = board

    @property
    def ignores_switches(self) -> bool:
        return self.fault is Fault.SWITCH_WITHOUT_EFFECT

    @ignores_switches.setter
    def ignores_switches(self, ignores: bool) -> None:
        self.fault = Fault.SWITCH_WITHOUT_EFFECT if ignores else Fault.NONE

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        with self._board.around("boot mark"):
            super().set_state(slot, state)

    def set_primary(self, slot: SlotName) -> None:
        with self._board.around("boot primary"):
            super().set_primary(slot)

    def arm_trial(self, slot: SlotName) -> None:
        with self._board.around("boot arm"):
            super().arm_trial(slot)

    def commit(self, slot: SlotName) -> None:
        with self._board.around("boot commit"):
            super().commit(slot)


def make_boot(kind: Kind, folder: Path, board: Board) -> LinkBoot | RootBoot:
    return LinkBoot(folder, board) if kind is Kind.LINK else RootBoot(board, NATURES[kind])
