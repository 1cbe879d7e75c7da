"""The agent's real journal and trial record, with a point before and after every durable write.

Every state that was stored is a point as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from surefoot_agent.journal import Draft, Journal
from surefoot_agent.record import Record
from surefoot_agent.trial import TrialFile
from surefoot_shared.messages import Event
from surefoot_simulators.device.board import Board

WRITES = frozenset({"note", "acknowledged", "spool", "set_locked", "set_holds", "next_hello", "reserve_batches"})


class TrappedJournal:
    """Stands in for a Journal; `in probation` is the point at which that state has just become durable."""

    def __init__(self, journal: Journal, board: Board) -> None:
        self._journal, self._board = journal, board

    def save(self, record: Record, drafts: Sequence[Draft] = ()) -> tuple[Event, ...]:
        before = self._journal.record(record.component).state
        with self._board.around("journal"):
            events = self._journal.save(record, drafts)
        if record.state is not before:
            self._board.entered(record.component, record.state)
            self._board.trip(f"in {record.state.value}")
        return events

    def __getattr__(self, name: str) -> object:
        found = getattr(self._journal, name)
        return self._trapped(found) if name in WRITES else found

    def _trapped(self, method: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object) -> object:
            with self._board.around("journal"):
                return method(*given)

        return call


def trapped(journal: Journal, board: Board) -> Journal:
    """It has every attribute of a journal, which is what the desk asks for."""
    return cast(Journal, TrappedJournal(journal, board))  # a stand-in by __getattr__, which no type can say


class TrappedTrials(TrialFile):
    def __init__(self, folder: Path, board: Board) -> None:
        self._board = board
        super().__init__(folder)

    def _write(self, trial: object) -> None:
        with self._board.around("trial"):
            super()._write(trial)  # type: ignore[arg-type]
