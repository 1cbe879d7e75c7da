"""What a large fleet's database must do as SQLite does it, on a real PostgreSQL."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from surefoot_server import partitions
from surefoot_server.db import Database
from surefoot_server.ingest import Ingest
from surefoot_server.migrations.tables import metadata
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
from surefoot_shared.messages import Ack, Sample, TelemetryBatch
from surefoot_shared.status import Outcome
from tests.server.postgresql import Cluster
from tests.server.rig import NOW, Rig, digest, hello, later, outcome, runs

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
