"""Every simulated bootloader keeps the contract of all boot controls; each can end at its writes, or do nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent.ports import BootControl
from surefoot_agent.reset_cause import Cause
from surefoot_shared.status import SlotName
from surefoot_simulators.device.board import Board, End, Ended
from surefoot_simulators.device.boot import Kind, LinkBoot, RootBoot, make_boot
from tests.agent.boot.contract import BootContract

B = SlotName.B


@pytest.fixture
def board() -> Board:
    return Board("cam-1", lambda: 0.0, datetime(2030, 1, 1, tzinfo=timezone.utc))


class TestLink(BootContract):
    @pytest.fixture
    def boot(self, tmp_path: Path, board: Board) -> LinkBoot | RootBoot:
        return make_boot(Kind.LINK, tmp_path / "app", board)

    def enter(self, boot: BootControl) -> None:
        """A folder is entered by its link alone."""


class TestCounter(BootContract):
    kind = Kind.COUNTER

    @pytest.fixture
    def boot(self, tmp_path: Path, board: Board) -> LinkBoot | RootBoot:
        return make_boot(self.kind, tmp_path, board)

    def enter(self, boot: BootControl) -> None:
        assert isinstance(boot, RootBoot)
        boot.restart()


class TestOneShot(TestCounter):
    kind = Kind.ONE_SHOT


class TestForgetful(TestCounter):
    kind = Kind.FORGETFUL


@pytest.mark.parametrize("kind", Kind)
def test_a_switch_without_effect_reports_success_and_leaves_the_primary(
    kind: Kind, tmp_path: Path, board: Board
) -> None:
    boot = make_boot(kind, tmp_path / "app", board)
    boot.ignores_switches = True

    boot.arm_trial(B)

    assert boot.ignores_switches
    assert boot.primary() is SlotName.A


@pytest.mark.parametrize("kind", Kind)
def test_the_power_can_go_before_a_commit_which_then_did_not_happen(kind: Kind, tmp_path: Path, board: Board) -> None:
    boot = make_boot(kind, tmp_path / "app", board)
    board.trap("before boot commit", End(Cause.POWER_CUT))

    with pytest.raises(Ended):
        boot.commit(B)

    assert boot.primary() is SlotName.A
