"""The figure of device search is of real questions to a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.db import Database
from surefoot_server.devices import search as service
from surefoot_simulators.bench import search


def test_every_question_but_the_absent_one_finds_somebody(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "surefoot.db")
    database.upgrade()
    search.fill(database, 3000)

    with database.read() as session:
        counts = {question: service.tally(session, question).devices for question in search.QUESTIONS}
    database.dispose()

    assert [question.text for question, count in counts.items() if count == 0] == ["cam-0099", "nothing-like-it", ""]


def test_the_slowest_question_is_the_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "DEVICES", 50)
    taken = iter(range(len(search.QUESTIONS)))
    monkeypatch.setattr(search, "ask", lambda _database, _question: (float(next(taken)), 0.5))
    said: list[str] = []

    (figure,) = search.measure(tmp_path, said.append)

    assert figure.value == len(search.QUESTIONS) - 1
    assert len(said) == len(search.QUESTIONS)
