"""What is noted beside a board, on one in memory that forgets a trial once it was entered, as a Raspberry Pi does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.boot.noted import RECORD, NotedBoot, Switch
from surefoot_agent.ports import BootControl, BootTrial, Capabilities, Counts
from surefoot_agent.way_back import Commands
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B


@dataclass
class OneShot:
    """A board as a Raspberry Pi is one: `works` is False where it takes every order and does nothing."""

    title: str = "the board"
    running: SlotName = A
    committed: SlotName = A
    once: SlotName | None = None
    works: bool = True
    marked: list[tuple[SlotName, bool]] = field(default_factory=list)

    def current(self) -> SlotName:
        return self.running

    def switch(self) -> Switch:
        return Switch(self.once, True, 1) if self.once else Switch(self.committed, False)

    def arm(self, slot: SlotName) -> None:
        self.once = slot if self.works else None

    def enter(self, slot: SlotName) -> None:
        if self.works:
            self.once, self.committed = None, slot

    def mark(self, slot: SlotName, good: bool) -> None:
        self.marked.append((slot, good))

    def claim(self, slot: SlotName) -> SlotState:
        return SlotState.EMPTY

    def capabilities(self) -> Capabilities:
        return Capabilities(True, Counts.EVERY_START, tries=1, one_shot=True, survives_power=False)

    def way_back(self, slot: SlotName) -> Commands:
        return ()

    def start(self) -> None:
        self.running, self.once = self.once or self.committed, None


@pytest.fixture
def board() -> OneShot:
    return OneShot()


@pytest.fixture
def boot(board: OneShot, tmp_path: Path) -> BootControl:
    return NotedBoot(board, tmp_path)


class TestContract(BootContract):
    @pytest.fixture
    def board(self) -> OneShot:
        self._board = OneShot()
        return self._board

    def enter(self, boot: BootControl) -> None:
        self._board.start()


def test_a_trial_that_was_entered_is_still_one(board: OneShot, boot: BootControl) -> None:
    boot.arm_trial(B)
    board.start()

    assert (boot.current(), boot.primary(), boot.trial()) == (B, A, BootTrial(B, 0))


def test_a_trial_that_was_left_without_an_order_is_told(board: OneShot, boot: BootControl) -> None:
    boot.arm_trial(B)
    board.start()
    board.start()

    assert boot.trial() == BootTrial(gave_up=B)


def test_a_trial_that_was_left_by_order_was_not_given_up(board: OneShot, boot: BootControl) -> None:
    boot.arm_trial(B)
    board.start()
    boot.set_primary(A)
    board.start()

    assert boot.trial() == BootTrial()


def test_a_board_that_does_nothing_is_told_from_one_that_gave_up(board: OneShot, boot: BootControl) -> None:
    board.works = False

    boot.arm_trial(B)

    assert (boot.primary(), boot.trial()) == (A, BootTrial())
    with pytest.raises(InstallFailed, match=r"the board had no effect"):
        boot.commit(B)


def test_a_switch_that_somebody_else_made_is_a_trial_that_we_did_not_note(board: OneShot, boot: BootControl) -> None:
    board.once = B

    assert (boot.primary(), boot.trial()) == (B, BootTrial(B, 1))


def test_a_loader_is_told_bad_only_of_what_it_does_not_enter(board: OneShot, boot: BootControl) -> None:
    boot.set_state(A, SlotState.BAD)
    boot.set_state(B, SlotState.BAD)
    boot.set_state(B, SlotState.GOOD)

    assert board.marked == [(B, False), (B, True)]


def test_a_word_that_no_version_wrote_is_bad(boot: BootControl, tmp_path: Path) -> None:
    guard.save_record(tmp_path, RECORD, {"A": "wonderful"})

    assert (boot.state(A), boot.state(B)) == (SlotState.BAD, SlotState.EMPTY)
