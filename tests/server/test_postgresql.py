"""What a large fleet's database must do as SQLite does it, on a real PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from surefoot_server import migrations, partitions
from surefoot_server.access.roles import Role
from surefoot_server.cohorts import service as cohorts
from surefoot_server.db import Database
from surefoot_server.devices.models import Assignment, Device, DeviceEvent
from surefoot_server.feedback.models import Hook
from surefoot_server.ingest import Ingest
from surefoot_server.migrations.tables import metadata
from surefoot_server.notify.models import Webhook
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_server.telemetry import repository, rollups
from surefoot_server.telemetry.aggregates import Cut, by_device
from surefoot_server.telemetry.models import (
    TelemetryFiveMinutes,
    TelemetryHour,
    TelemetryLate,
    TelemetryProgress,
    TelemetrySample,
)
from surefoot_server.telemetry.repository import ms
from surefoot_server.telemetry.summaries import Span, summaries
from surefoot_shared.messages import Ack, EventKind, Sample, TelemetryBatch
from surefoot_shared.status import Outcome
from tests.server.console.browser import browser
from tests.server.postgresql import Cluster
from tests.server.rig import NOW, Rig, digest, event, hello, later, outcome, runs

pytestmark = [pytest.mark.slow, pytest.mark.needs("initdb")]


def batch(device: str, number: int, *values: float) -> TelemetryBatch:
    samples = (
        Sample(later(-n - 5 * (number - 1)).isoformat(), "camera_fps", v, "app", digest("app/1.1"))
        for n, v in enumerate(values)
    )
    return TelemetryBatch(device, "s1", number, 0, tuple(samples))


def test_two_servers_that_start_together_migrate_an_empty_database_once(postgresql: Cluster) -> None:
    url, errors = postgresql.empty(), list[Exception]()

    def start() -> None:
        database = Database(url)
        try:
            database.upgrade()
        except Exception as error:
            errors.append(error)
        database.dispose()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_the_migrations_make_the_tables_that_the_models_describe(postgresql: Cluster) -> None:
    database = Database(postgresql.fresh())

    def ours(_object: object, name: str | None, kind: str, *_more: object) -> bool:
        return not (kind in ("table", "index") and str(name).removeprefix("ix_").startswith("telemetry_sample_"))

    with database.engine.connect() as connection:
        options = {"compare_type": True, "target_metadata": metadata, "include_object": ours}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert found == []
    database.dispose()


def test_every_migration_takes_a_database_with_data_along_and_back(postgresql: Cluster) -> None:
    database = Database(postgresql.empty())
    with migrating(database) as (connection, config):
        command.upgrade(config, "0004")
        fill(connection, golden())
        command.upgrade(config, "0022")
        fill(connection, AT_0022)

    database.upgrade()
    found = what_is_known(database)
    with migrating(database) as (_, config):
        command.downgrade(config, "0022")
    database.upgrade()

    assert found == {
        "devices": ["cam-1", "cam-2"],
        "hanoi": ["cam-1", "cam-2"],
        "rollouts": [("r1", "succeeded", {})],
        "members": [("cam-1", {}, None)],
        "assignments": [("a1", "committed", False, None, None), ("a2", "failed", False, None, None)],
        "hooks": [("h1", False, "2026-02-01T10:00:00+00:00")],
        "webhooks": [("ops", b"\x00\x01")],
        "samples": [23.0, 24.0, 25.0],
    }
    assert what_is_known(database) == found
    with database.write() as session:  # numbers go on above those that came along
        session.add(DeviceEvent(device_id="cam-1", stream="s9", seq=1, at="x", received_at=NOW, kind="notice"))
    database.dispose()


GOLDEN = Path(__file__).parent / "migrations" / "golden" / "0004.sql"
AT = "2026-02-01 10:00:00.000000"
AT_0022: Mapping[str, Sequence[Mapping[str, object]]] = {
    "assignment": [
        {
            "id": "a2",
            "device_id": "cam-2",
            "component": "app",
            "release_id": "app/1.0",
            "digest": "a" * 64,
            "seq": 1769940000001,
            "intent": "update",
            "rollout_id": "r1",
            "phase": 0,
            "state": "downloading",
            "outcome": "failed",
            "reason": "no_space",
            "message": "",
            "offered_at": AT,
            "state_at": AT,
            "open": 0,
            "wanted": 0,
        }
    ],
    "hook": [
        {
            "id": "h1",
            "secret_hash": "x",
            "name": "pager",
            "do": "halt",
            "rollout_id": "r1",
            "created_at": AT,
            "created_by": "ann",
            "expires_at": AT,
            "uses": 3,
        }
    ],
    "webhook": [
        {
            "id": "w1",
            "name": "ops",
            "form": "cloudevents",
            "place": "https://ops.example.com",
            "sealed_url": b"\x00\x01",
            "sealed_secret": b"",
            "kinds": "[]",
            "language": "en",
            "created_at": AT,
            "created_by": "ann",
        }
    ],
}
"""Rows of what came to be between the golden database and the last release."""


@contextmanager
def migrating(database: Database) -> Iterator[tuple[sa.Connection, Config]]:
    with database.engine.execution_options(surefoot_write=True).begin() as connection:
        yield connection, migrations.config(connection)


def golden() -> dict[str, list[dict[str, object]]]:
    """The rows of the fourth revision's database, as SQLite keeps them."""
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(GOLDEN.read_text())
        raw.row_factory = sqlite3.Row
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: [dict(row) for row in raw.execute(f'SELECT * FROM "{name}"')] for name in names}
    return {name: found for name, found in rows.items() if found and not name.startswith(("alembic", "sqlite"))}


def fill(connection: sa.Connection, rows: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Put rows into the tables as they are now, and let their numbers go on from there."""
    tables = sa.MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if table.name not in rows:
            continue
        columns = {column.name: column.type for column in table.columns}
        values = [{name: as_postgresql(columns[name], v) for name, v in row.items()} for row in rows[table.name]]
        connection.execute(table.insert(), values)
        serial = (
            connection.scalar(sa.text("SELECT pg_get_serial_sequence(:t, 'id')"), {"t": f'"{table.name}"'})
            if ("id" in columns)
            else None
        )
        if serial:
            connection.execute(sa.text(f"SELECT setval('{serial}', (SELECT max(id) FROM \"{table.name}\"))"))


def as_postgresql(column: sa.types.TypeEngine[Any], value: object) -> object:
    match column:
        case sa.DateTime() if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=timezone.utc)
        case sa.JSON() if isinstance(value, str):
            return json.loads(value)
        case sa.Boolean() if value is not None:
            return bool(value)
    return value


def what_is_known(database: Database) -> dict[str, object]:
    with database.read() as session:
        rollouts_ = [(r.id, r.state, r.back) for r in session.exec(select(Rollout))]
        members = [(m.device_id, m.tries, m.retry_at) for m in session.exec(select(RolloutMember))]
        orders = session.exec(select(Assignment).order_by(Assignment.id))
        hooks = session.exec(select(Hook))
        expression = cohorts.get(session, "hanoi").expression
        return {
            "devices": sorted(session.exec(select(Device.id))),
            "hanoi": cohorts.devices(session, expression),
            "rollouts": rollouts_,
            "members": members,
            "assignments": [(a.id, a.outcome, a.recreate, a.shadow, a.unsigned) for a in orders],
            "hooks": [(h.id, h.signed, h.created_at.isoformat()) for h in hooks],
            "webhooks": [(w.name, bytes(w.sealed_url)) for w in session.exec(select(Webhook))],
            "samples": sorted(p.value for p in repository.samples(session, ["cam-1"], "camera_fps")),
        }


def test_a_batch_of_everything_is_stored_and_acknowledged_once(postgresql_rig: Rig) -> None:
    rig, acks = postgresql_rig, list[tuple[str, Ack]]()
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    ingest = Ingest(rig.db, rig.devices, lambda said, _leases: acks.extend(said), lambda: later(1))

    for _ in range(2):
        with ingest.batch() as taken:
            taken.hello(hello("cam-1", components=(runs("app/1.0"),)))
            taken.events("cam-1", [outcome(row, 1, Outcome.COMMITTED)])
            taken.telemetry("cam-1", [batch("cam-1", 1, 25.0, 24.0)])

    assert acks == [("cam-1", Ack("s1", 1, 1))] * 2
    assert rig.read(row).outcome == Outcome.COMMITTED.value
    with rig.db.read() as session:
        assert [p.value for p in repository.samples(session)] == [25.0, 24.0]
        assert repository.latest(session)[0].value == 25.0


def test_the_audit_trail_is_kept_by_the_database(postgresql_rig: Rig) -> None:
    rig = postgresql_rig
    rig.device("cam-1")
    rig.state.checkpoints.make(NOW)

    for table in ("audit_entry", "audit_checkpoint"):
        for statement in ("UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}"):
            with rig.db.write() as session, pytest.raises(DBAPIError, match="append-only"):
                session.connection().execute(sa.text(statement.format(table)))


def test_a_days_samples_lie_in_their_partition_and_go_with_it(postgresql_rig: Rig) -> None:
    rig = postgresql_rig
    rig.device("cam-1")
    ingest = Ingest(rig.db, rig.devices, lambda *_: None, lambda: later(1))
    for _ in range(2):
        with rig.db.write() as session:
            partitions.prepare(session, NOW)
    with ingest.batch() as taken:
        taken.telemetry("cam-1", [batch("cam-1", 1, 1.0)])
    three_days_on = NOW + timedelta(days=3)

    with rig.db.read() as session:
        of_day = session.connection().execute(sa.text("SELECT count(*) FROM telemetry_sample_20260301")).scalar()
    with rig.db.write() as session:
        repository.delete_older(session, three_days_on - timedelta(days=2))

    assert of_day == 1
    with rig.db.read() as session:
        assert session.exec(select(TelemetrySample)).all() == []
        names = sa.inspect(session.connection()).get_table_names()
    assert "telemetry_sample_20260228" not in names
    assert "telemetry_sample_20260302" in names


def test_samples_outside_every_day_are_kept_and_go_by_their_time(postgresql_rig: Rig) -> None:
    rig = postgresql_rig
    rig.device("cam-1")
    with Ingest(rig.db, rig.devices, lambda *_: None, lambda: NOW).batch() as taken:
        taken.telemetry("cam-1", [batch("cam-1", 1, 1.0)])

    with rig.db.write() as session:
        partitions.prepare(session, NOW)
    with rig.db.read() as session:
        assert len(session.exec(select(TelemetrySample)).all()) == 1
    with rig.db.write() as session:
        repository.delete_older(session, later(60))

    with rig.db.read() as session:
        assert session.exec(select(TelemetrySample)).all() == []


def test_the_judges_figures_are_the_same_as_on_sqlite(postgresql_rig: Rig, rig: Rig) -> None:
    found = []
    for each in (postgresql_rig, rig):
        for device in ("cam-1", "cam-2"):
            each.device(device)
            with Ingest(each.db, each.devices, lambda *_: None, lambda: NOW).batch() as taken:
                taken.telemetry(device, [batch(device, 1, 5.0, 9.0, 4.0, 8.0), batch(device, 2, 3.0)])
        with each.db.write() as session:
            session.add(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(later(-3))))
        spans = [Span(device, later(-3600), later(1)) for device in ("cam-1", "cam-2")]
        cut = Cut("app", later(-1800), later(1), on=digest("app/1.1"))
        with each.db.read() as session:
            figures = by_device(session, "counts_total", ["cam-1"], cut) | by_device(
                session, "camera_fps", ["cam-1"], cut
            )
            found.append((summaries(session, "camera_fps", spans), figures))

    assert found[0] == found[1]
    assert len(found[0][0]) == 2


def test_rollups_are_the_same_as_on_sqlite(postgresql_rig: Rig, rig: Rig) -> None:
    found = []
    for each in (postgresql_rig, rig):
        each.device("cam-1")
        with Ingest(each.db, each.devices, lambda *_: None, lambda: NOW).batch() as taken:
            taken.telemetry("cam-1", [batch("cam-1", n, 5.0, 9.0, 4.0, 8.0) for n in range(1, 500, 7)])
        written = rollups.roll_up(each.db, later(120))
        with Ingest(each.db, each.devices, lambda *_: None, lambda: NOW).batch() as taken:
            taken.telemetry("cam-1", [batch("cam-1", 500, 1.0)])
        again = rollups.roll_up(each.db, later(120))
        with each.db.read() as session:
            rows = [
                row.model_dump(exclude={"series_id"})
                for model in (TelemetryFiveMinutes, TelemetryHour)
                for row in session.exec(select(model).order_by("from_ms"))
            ]
        found.append((written, again, rows))

    assert found[0] == found[1]
    assert (found[0][0] > 5, found[0][1]) == (True, 1)


def test_what_came_late_is_noted(postgresql_rig: Rig) -> None:
    rig = postgresql_rig
    rig.device("cam-1")
    with rig.db.write() as session:
        session.add(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(later(300))))
    for number in (1, 2):
        with Ingest(rig.db, rig.devices, lambda *_: None, lambda: later(301)).batch() as taken:
            sample = Sample(later(number).isoformat(), "camera_fps", 1.0)
            taken.telemetry("cam-1", [TelemetryBatch("cam-1", "s1", number, 0, (sample,))])

    with rig.db.read() as session:
        assert [row.from_ms for row in session.exec(select(TelemetryLate))] == [ms(NOW)]


def test_a_nul_that_a_person_typed_is_malformed_and_no_fault_of_the_server(postgresql_rig: Rig) -> None:
    postgresql_rig.release("app/1.1")

    program = postgresql_rig.client().post("/api/v1/releases/app/1.1/flag", json={"reason": "dark\0"})
    person = browser(postgresql_rig, Role.OPERATOR).post("/releases/app/1.1/flag", data={"reason": "dark\0"})

    assert (program.status_code, program.json()["kind"]) == (422, "malformed")
    assert (person.status_code, "does not belong there" in person.text) == (422, True)


def test_a_nul_in_a_devices_message_is_shown_and_keeps_nothing_back(postgresql_rig: Rig) -> None:
    rig = postgresql_rig
    rig.device("cam-1")

    stored = rig.events("cam-1", event("cam-1", 1, EventKind.NOTICE, message="read: a\0b"))

    assert stored == 1
    with rig.db.read() as session:
        assert session.exec(select(DeviceEvent.message)).one() == "read: a\N{SYMBOL FOR NULL}b"
