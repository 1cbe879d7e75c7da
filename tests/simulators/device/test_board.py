"""A board's clock begins anew with each boot, its wall clock may be wrong, and a trap ends it once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from surefoot_agent.reset_cause import Cause
from surefoot_simulators.device.board import BOOT_S, Board, End, Ended

STARTED = datetime(2030, 1, 1, tzinfo=timezone.utc)


class Now:
    t = 0.0

    def __call__(self) -> float:
        return self.t


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def board(now: Now) -> Board:
    return Board("cam-1", now, STARTED)


def test_monotonic_time_begins_anew_with_a_boot_and_the_boot_has_a_new_id(board: Board, now: Now) -> None:
    now.t = 500.0
    before = board.boot_id()

    board.start()

    assert board.monotonic() == BOOT_S
    assert board.boot_id() != before


def test_a_skewed_wall_clock_says_that_it_is_worth_nothing(board: Board, now: Now) -> None:
    now.t, board.skew_s = 60.0, -3600.0

    assert board.utc() == STARTED + timedelta(seconds=60 - 3600)
    assert board.source() == "none"


def test_a_trap_springs_once_at_its_point_and_is_told(board: Board) -> None:
    told: list[str] = []
    board.trap("after trial", End(Cause.POWER_CUT), lambda: told.append("it sprang"))

    with pytest.raises(Ended) as ended, board.around("trial"):
        pass
    with board.around("trial"):
        pass

    assert ended.value.end.cause is Cause.POWER_CUT
    assert told == ["it sprang"]


def test_nothing_of_an_agent_can_catch_the_end() -> None:
    assert not issubclass(Ended, Exception)
