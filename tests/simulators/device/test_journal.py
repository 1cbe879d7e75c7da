"""The real journal ends before or after a write, and at a state that has just become durable."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent.journal import open_journal
from surefoot_agent.record import Record
from surefoot_agent.reset_cause import Cause
from surefoot_shared.status import AttemptState
from surefoot_simulators.device.board import Board, End, Ended
from surefoot_simulators.device.journal import trapped

PROBATION = replace(Record("app"), state=AttemptState.PROBATION)


@pytest.fixture
def board() -> Board:
    return Board("cam-1", lambda: 0.0, datetime(2030, 1, 1, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("point", "stored"), [("before journal", False), ("after journal", True), ("in probation", True)]
)
def test_what_is_on_the_medium_depends_on_the_point(tmp_path: Path, board: Board, point: str, stored: bool) -> None:
    journal = trapped(open_journal(tmp_path / "journal.db"), board)
    board.trap(point, End(Cause.POWER_CUT))

    with pytest.raises(Ended):
        journal.save(PROBATION)

    journal.close()
    found = open_journal(tmp_path / "journal.db").record("app").state
    assert found is (AttemptState.PROBATION if stored else AttemptState.IDLE)


def test_reading_passes_no_point(tmp_path: Path, board: Board) -> None:
    journal = trapped(open_journal(tmp_path / "journal.db"), board)
    board.trap("before journal", End(Cause.POWER_CUT))

    assert journal.record("app").state is AttemptState.IDLE
    assert journal.readable
