"""Entries are found by who, what, when and words, and written so that the chain can be checked elsewhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import Session

from surefoot_server.audit import search, service
from surefoot_server.audit.models import AuditEntry
from surefoot_server.audit.search import Form, Question
from tests.server.rig import NOW, Rig


@pytest.fixture
def trail(rig: Rig) -> Rig:
    with rig.db.write() as session:
        for minute, (actor, action, object, detail) in enumerate(
            [
                ("anna", "rollout.start", "rollout:r1", {"reason": "2.4 für Hà Nội"}),
                ("engine", "rollout.halt", "rollout:r1", {"reason": "3 of 40"}),
                ("anna", "device.tags", "device:cam-1", {"tags": ["lab"]}),
                ("device:cam-1", "device.renewed", "device:cam-10", {}),
                ("=cmd()", "rollouts.other", "rolloutx:1", {}),
            ]
        ):
            service.record(session, actor, action, object, detail, NOW + timedelta(minutes=minute))
    return rig


@pytest.fixture
def session(trail: Rig) -> Iterator[Session]:
    with trail.db.read() as made:
        yield made


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        (Question(), [5, 4, 3, 2, 1]),
        (Question(object="rollout:r1"), [2, 1]),
        (Question(object="rollout"), [2, 1]),
        (Question(object="device:cam-1"), [3]),
        (Question(action="rollout"), [2, 1]),
        (Question(action="rollout.halt"), [2]),
        (Question(actor="anna"), [3, 1]),
        (Question(actor="anna", object="rollout"), [1]),
        (Question(text="HÀ"), []),
        (Question(text="Hà nội"), [1]),
        (Question(text="of 40"), [2]),
        (Question(text="%"), []),
        (Question(since=NOW + timedelta(minutes=3)), [5, 4]),
        (Question(until=NOW + timedelta(minutes=1)), [1]),
    ],
)
def test_every_part_of_the_question_must_hold(session: Session, question: Question, numbers: list[int]) -> None:
    assert [row.seq for row in search.page(session, question, 10)] == numbers


def test_a_page_goes_on_below_a_number(session: Session) -> None:
    assert [row.seq for row in search.page(session, Question(), 2, before=4)] == [3, 2]


def test_the_choices_of_a_filter_are_those_that_occur(session: Session) -> None:
    assert search.actors(session) == ["=cmd()", "anna", "engine"]
    assert "rollout.halt" in search.actions(session)


def test_json_lines_hold_all_that_the_hash_covers(trail: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CHUNK", 2)

    pieces = list(search.written(trail.db.read, Question(), Form.JSONL))

    rows = [json.loads(line) for line in "".join(pieces).splitlines()]
    assert len(pieces) == 3
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1]["previous"] == rows[0]["hash"]
    with trail.db.read() as session:
        for row in rows:
            kept = session.get(AuditEntry, row["seq"])
            assert kept is not None
            assert (row["hash"], row["at"], row["detail"]) == (
                service.hash_of(kept),
                kept.at.isoformat(timespec="microseconds"),
                kept.detail,
            )


def test_csv_has_a_head_and_no_cell_that_a_spreadsheet_would_run(trail: Rig) -> None:
    text = "".join(search.written(trail.db.read, Question(), Form.CSV))

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[4]["actor"] == "'=cmd()"
    assert json.loads(rows[0]["detail"]) == {"reason": "2.4 für Hà Nội"}


def test_what_nobody_did_is_an_empty_export(trail: Rig) -> None:
    nobody = Question(actor="nobody")

    assert "".join(search.written(trail.db.read, nobody, Form.JSONL)) == ""
    assert "".join(search.written(trail.db.read, nobody, Form.CSV)).count("\n") == 1
