"""The guard's own file decides, at the board's time; when it looked, the kernel is the kernel again."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent import guard as real
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.trial import Fallback, Trial, TrialFile
from surefoot_shared.status import SlotName, SlotState
from surefoot_simulators.device import guard
from surefoot_simulators.device.board import Board


class Clock:
    t = 0.0

    def __call__(self) -> float:
        return self.t


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def board(now: Clock) -> Board:
    return Board("cam-1", now, datetime(2030, 1, 1, tzinfo=timezone.utc))


@pytest.fixture
def folder(tmp_path: Path, board: Board) -> Path:
    """On trial in B, with a budget of a hundred seconds."""
    component = tmp_path / "app"
    SymlinkBoot(component).set_primary(SlotName.B)
    deadline = board.monotonic() + 100.0
    fallback = Fallback(slot="A", argv=("/bin/true",), cwd="/", env={}, log="/dev/null")
    TrialFile(component).arm(
        Trial(
            assignment="a-1",
            attempt=1,
            component="app",
            slot="B",
            previous="A",
            armed_boot_id=board.boot_id(),
            budget_s=100.0,
            deadline_monotonic=deadline,
            deadline_boot_id=board.boot_id(),
            max_starts=3,
            fallback=fallback,
            starts=1,
        )
    )
    return component


def test_it_leaves_a_trial_alone_that_has_time(folder: Path, board: Board) -> None:
    assert guard.deadline_s(folder) == board.monotonic() + 100.0
    assert guard.look(folder, board, lambda _slot: None, lambda: None) is False


def test_it_brings_the_old_release_back_when_the_budget_is_gone(folder: Path, board: Board, now: Clock) -> None:
    started: list[SlotName] = []
    now.t = 101.0

    went = guard.look(folder, board, started.append, lambda: None)

    boot = SymlinkBoot(folder)
    assert (went, started, boot.current(), boot.state(SlotName.B)) == (
        True,
        [SlotName.A],
        SlotName.A,
        SlotState.BAD,
    )
    assert guard.deadline_s(folder) is None


def test_afterwards_the_guard_asks_the_kernel_again(folder: Path, board: Board) -> None:
    before = (real.time, real.boot_id, real.spawn_application)

    guard.look(folder, board, lambda _slot: None, lambda: None)

    assert (real.time, real.boot_id, real.spawn_application) == before
    assert real.time is time
