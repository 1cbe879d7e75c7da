"""Rows are kept by the database, and the chain shows whatever was done by somebody who owns it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from surefoot_server.audit import service as audit
from tests.server.audit.tampering import unlock
from tests.server.rig import Rig, later


@pytest.fixture
def chained(rig: Rig) -> Rig:
    for n in range(5):
        with rig.db.write() as session:
            audit.record(session, "first", "rollout.pause", f"rollout:r{n}", {"n": n, "why": "tiếng Việt"}, later(n))
    return rig


def verify(rig: Rig) -> audit.Verification:
    with rig.db.read() as session:
        return audit.verify(session)


def tamper(rig: Rig, statement: str) -> None:
    with rig.db.write() as session:
        unlock(session)
        session.connection().execute(text(statement))


def test_an_untouched_chain_is_whole(chained: Rig) -> None:
    result = verify(chained)

    assert (result.whole, result.rows) == (True, 5)
    with chained.db.read() as session:
        assert result.head == audit.entries(session)[0].hash


ATTACKS = (
    "UPDATE audit_entry SET actor = 'nobody' WHERE seq = 3",
    "UPDATE audit_entry SET seq = 102 WHERE seq = 2",
    "DELETE FROM audit_entry WHERE seq = 3",
    "DELETE FROM audit_entry WHERE seq = 5",
    "DELETE FROM audit_entry",
)


@pytest.mark.parametrize("statement", ATTACKS)
def test_the_database_refuses_to_change_or_remove_a_row(chained: Rig, statement: str) -> None:
    with chained.db.write() as session, pytest.raises(DBAPIError, match="append-only"):
        session.connection().execute(text(statement))

    assert verify(chained).rows == 5


@pytest.mark.parametrize(
    ("statement", "broken_at", "problem"),
    [
        ("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 3", 3, "altered"),
        ("UPDATE audit_entry SET detail = '{\"n\": 99}' WHERE seq = 2", 2, "altered"),
        ("UPDATE audit_entry SET at = '2020-01-01 00:00:00.000000' WHERE seq = 4", 4, "altered"),
        ("DELETE FROM audit_entry WHERE seq = 3", 3, "missing"),
        ("DELETE FROM audit_entry WHERE seq = 1", 1, "missing"),
        ("UPDATE audit_entry SET previous = hash WHERE seq = 4", 4, "does not follow"),
    ],
)
def test_tampering_is_found_at_its_row(chained: Rig, statement: str, broken_at: int, problem: str) -> None:
    tamper(chained, statement)

    result = verify(chained)

    assert (result.whole, result.broken_at) == (False, broken_at)
    assert problem in result.problem


def test_two_rows_that_changed_places_are_found(chained: Rig) -> None:
    for old, new in ((2, 102), (3, 2), (102, 3)):
        tamper(chained, f"UPDATE audit_entry SET seq = {new} WHERE seq = {old}")

    assert verify(chained).broken_at == 2


def test_a_row_whose_hash_was_made_anew_breaks_the_next_one(chained: Rig) -> None:
    with chained.db.write() as session:
        unlock(session)
        row = audit.entries(session)[2]
        row.actor = "nobody"
        row.hash = audit.hash_of(row)
        session.add(row)

    assert verify(chained).broken_at == 4


def test_a_tail_that_was_cut_off_shows_against_a_noted_head(chained: Rig) -> None:
    noted = verify(chained)

    tamper(chained, "DELETE FROM audit_entry WHERE seq = 5")

    assert verify(chained).whole
    assert (verify(chained).rows, verify(chained).head) != (noted.rows, noted.head)


def test_an_act_that_is_taken_back_leaves_no_row_and_no_gap(chained: Rig) -> None:
    def fail() -> None:
        with chained.db.write() as session:
            audit.record(session, "first", "x", "y", {}, later(9))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with chained.db.write() as session:
        audit.record(session, "first", "x", "y", {}, later(9))

    assert verify(chained).rows == 6


def test_many_rows_of_one_transaction_are_chained(rig: Rig) -> None:
    with rig.db.write() as session:
        for n in range(50):
            audit.record(session, "engine", "offer", f"device:{n}", {}, later(n))

    assert verify(rig).rows == 50


def test_entries_are_found_by_object_and_page(chained: Rig) -> None:
    read: Callable[..., list[int]] = lambda **more: [e.seq for e in _entries(chained, **more)]  # noqa: E731

    assert read(object="rollout:r2") == [3]
    assert read(limit=2) == [5, 4]
    assert read(limit=2, before=4) == [3, 2]


def _entries(rig: Rig, **more: object) -> list[audit.AuditEntry]:
    with rig.db.read() as session:
        return audit.entries(session, **more)  # type: ignore[arg-type]


def test_a_detail_that_is_no_json_is_a_bug_at_once(rig: Rig) -> None:
    with rig.db.write() as session, pytest.raises(TypeError):
        audit.record(session, "a", "b", "c", {"x": object()}, later(0))


def test_what_can_be_repeated_is_noted_once_an_hour_for_each_object(rig: Rig) -> None:
    with rig.db.write() as session:
        for seconds in (0, 10, 3599, 3601):
            audit.record_seldom(session, "gateway", "token.refused", "device:cam-1", {}, later(seconds))
        audit.record_seldom(session, "gateway", "token.refused", "device:cam-2", {}, later(10))
        audit.record_seldom(session, "gateway", "hello.replayed", "device:cam-1", {}, later(10))

        assert len(audit.entries(session)) == 4
