"""Transactions: who waits for whom, what a crash leaves, and what each database does differently."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from surefoot_server import db
from surefoot_server.cohorts.models import Cohort
from surefoot_server.db import Database, UtcDateTime
from surefoot_server.telemetry.models import TelemetryHour, TelemetrySample, TelemetrySeries
from surefoot_shared.errors import ConfigError
from tests.server.rig import NOW, Rig

WRITERS, EACH = 8, 25
STRETCH = {"from_ms": 0} | dict.fromkeys(("mean", "median", "p95", "low", "high", "first", "last", "rise"), 1.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.at(tmp_path / "test.db")
    made.upgrade()
    yield made
    made.dispose()


def cohort(session: Session, name: str, expression: str = "0") -> None:
    session.add(Cohort(name=name, expression=expression, created_at=NOW, created_by="test"))


def count_up(session: Session) -> None:
    """Read, then write: what fails with BUSY in a deferred transaction."""
    row = session.get(Cohort, "counter")
    assert row is not None
    row.expression = str(int(row.expression) + 1)
    session.add(row)


def test_writers_that_read_first_never_fail_and_never_lose_a_write(database: Database) -> None:
    with database.write() as session:
        cohort(session, "counter")
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(EACH):
                with database.write() as session:
                    count_up(session)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        row = session.get(Cohort, "counter")
    assert errors == []
    assert row is not None
    assert row.expression == str(WRITERS * EACH)


def test_a_reader_is_not_held_up_by_the_writer(database: Database) -> None:
    with database.write() as writing:
        cohort(writing, "half-done")
        writing.flush()
        with database.read() as reading:
            assert reading.exec(select(Cohort)).all() == []


def test_a_read_session_writes_nothing(database: Database) -> None:
    with database.read() as session:
        cohort(session, "stray")

    with database.read() as session:
        assert session.exec(select(Cohort)).all() == []


def test_an_error_takes_the_whole_transaction_back(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            cohort(session, "half-done")
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    with database.read() as session:
        assert session.exec(select(Cohort)).all() == []


def test_commits_reach_the_disk_before_they_are_acknowledged(database: Database) -> None:
    with database.read() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


KILLED = """
import sys
from pathlib import Path
from surefoot_server.cohorts.models import Cohort
from surefoot_server.db import Database
from tests.server.test_db import cohort, count_up

database = Database.at(Path(sys.argv[1]))
def write():
    with database.write() as session:
        count_up(session)
        session.flush()
        row = session.get(Cohort, "counter")
        cohort(session, f"row-{row.expression}")

write()  # the first one takes its time
print("ready", flush=True)
while True:
    write()
"""


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_whole_transactions_only(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        cohort(session, "counter")
    root = Path(__file__).parents[2]

    for milliseconds in (30, 80, 170):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "test.db")],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        threading.Event().wait(milliseconds / 1000)  # the moment of death is the point of the test, not a wait for it
        child.send_signal(signal.SIGKILL)
        child.wait()

    with sqlite3.connect(tmp_path / "test.db") as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with database.write() as session:
        counter = session.get(Cohort, "counter")
        assert counter is not None
        rows = session.exec(select(Cohort)).all()
        assert len(rows) - 1 == int(counter.expression) > 0
        count_up(session)


def test_devices_are_announced_once_after_the_commit(database: Database) -> None:
    heard: list[frozenset[str]] = []
    database.on_dirty(heard.append)

    with database.write() as session:
        db.mark_dirty(session, "cam-1")
        db.mark_dirty(session, "cam-2")
        db.mark_dirty(session, "cam-1")
        assert heard == []

    assert heard == [frozenset({"cam-1", "cam-2"})]


def test_times_come_back_in_utc_whatever_zone_they_came_in(database: Database) -> None:
    hanoi = datetime(2026, 3, 1, 19, 0, tzinfo=timezone(timedelta(hours=7)))
    with database.write() as session:
        session.add(Cohort(name="c", expression="", created_at=hanoi, created_by="test"))

    with database.read() as session:
        row = session.get(Cohort, "c")
    assert row is not None
    assert row.created_at == NOW
    assert row.created_at.tzinfo is timezone.utc


def test_a_time_without_zone_does_not_reach_the_database() -> None:
    with pytest.raises(ValueError, match="zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), sa.create_engine("sqlite://").dialect)


def test_rows_that_exist_are_left_out_and_the_new_ones_counted(database: Database) -> None:
    row = {**STRETCH, "samples": 1}
    rows = [{**row, "series_id": n} for n in (1, 2)]

    with database.write() as session:
        first = db.insert_ignoring(session, TelemetryHour, rows[:1])
        second = db.insert_ignoring(session, TelemetryHour, rows)

    assert (first, second) == (1, 1)


def test_an_older_row_does_not_replace_a_newer_one(database: Database) -> None:
    row = {**STRETCH, "series_id": 1}

    with database.write() as session:
        for samples in (10, 5, 20):
            db.upsert_newer(session, TelemetryHour, [{**row, "samples": samples, "mean": float(samples)}], "samples")

    with database.read() as session:
        assert session.exec(select(TelemetryHour)).one().mean == 20.0


def test_numbers_are_appended_and_an_older_value_does_not_replace_a_newer_one(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        session.add(TelemetrySeries(id=7, device_id="cam-1", name="fps"))
        session.flush()
        db.append(session, TelemetrySample, ("series_id", "at_ms", "value"), [(7, 5, 0.25), (7, 6, 1e300)])
        db.advance(session, TelemetrySeries, "id", "last_at_ms", "last_value", [(7, 6, 2.0)])
        db.advance(session, TelemetrySeries, "id", "last_at_ms", "last_value", [(7, 5, 1.0)])

    with rig.db.read() as session:
        assert [(row.at_ms, row.value) for row in session.exec(select(TelemetrySample))] == [(5, 0.25), (6, 1e300)]
        assert session.exec(select(TelemetrySeries.last_value)).one() == 2.0


def test_statements_for_postgresql_are_its_own() -> None:
    class Elsewhere(Session):
        def get_bind(self, *_args: object, **_more: object) -> sa.Engine:  # type: ignore[override]
            return sa.create_mock_engine("postgresql+psycopg://", lambda *_: None)  # type: ignore[return-value]

    insert = db._insert(Elsewhere(), TelemetryHour.__table__)  # type: ignore[attr-defined]

    assert "ON CONFLICT DO NOTHING" in str(insert.on_conflict_do_nothing())


def overfill(database: Database) -> None:
    """Leave SQLite no page to grow into: what a full disk is to it."""
    with database.write() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1")
        for n in range(500):
            cohort(session, f"c{n}", "x" * 4000)
        session.flush()


def test_a_write_that_finds_the_disk_full_is_remembered_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not database.failed_for_space()
    with pytest.raises(sa.exc.OperationalError, match="full"):
        overfill(database)

    assert database.failed_for_space()
    with database.write():
        pass  # commits nothing, so it proves nothing
    assert database.failed_for_space()
    monkeypatch.setattr(db, "FULL_FOR_S", 0.0)
    assert not database.failed_for_space()


def test_a_failure_of_another_kind_does_not_claim_a_full_disk(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError

    assert not database.failed_for_space()


@pytest.mark.parametrize("garbage", [b"garbage" * 1000, b"SQLite format 3\0" + b"x" * 5000], ids=["text", "header"])
def test_a_file_that_is_no_database_is_refused_with_one_sentence(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "surefoot.db"
    path.write_bytes(garbage)

    with pytest.raises(ConfigError) as refused:
        Database.at(path).upgrade()

    assert refused.value.kind == "config_unreadable"
    assert refused.value.message == f"{path} is not a database of Surefoot; restore it from a backup."
    assert path.read_bytes() == garbage


def test_a_folder_in_the_place_of_the_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "surefoot.db"
    path.mkdir()

    with pytest.raises(ConfigError, match="cannot be opened"):
        Database.at(path).upgrade()


def test_a_disk_without_room_for_the_upgrade_is_said_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_engine: sa.Engine) -> None:
        raise sa.exc.OperationalError("CREATE", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr("surefoot_server.migrations.upgrade", full)

    with pytest.raises(ConfigError) as refused:
        Database.at(tmp_path / "surefoot.db").upgrade()

    assert refused.value.kind == "no_space"


def test_an_upgrade_is_quiet_at_the_default_level(tmp_path: Path) -> None:
    program = (
        "import logging, sys; from pathlib import Path; logging.basicConfig(level='INFO');"
        "from surefoot_server.db import Database; Database.at(Path(sys.argv[1])).upgrade()"
    )

    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "new.db")], capture_output=True, text=True, check=True
    )

    assert said.stdout + said.stderr == ""
