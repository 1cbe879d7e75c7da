"""A database of the version before, with data, becomes one of this version with the same data."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlmodel import select

from surefoot_server.cohorts import service as cohorts
from surefoot_server.db import Database
from surefoot_server.devices.models import Assignment, Device, DeviceStream
from surefoot_server.rollouts import views
from surefoot_server.rollouts.models import Rollout
from surefoot_server.telemetry import repository, service
from surefoot_shared.messages import Sample, TelemetryBatch

OLD = Path(__file__).parent / "golden" / "0004.sql"
"""Written by the fourth revision: two devices, a finished rollout, and samples as they were kept then."""
AT = datetime(2026, 2, 1, 10, 0, 0, 250_000, tzinfo=timezone.utc)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with sqlite3.connect(tmp_path / "old.db") as raw:
        raw.executescript(OLD.read_text())
    raw.close()
    made = Database.at(tmp_path / "old.db")
    made.upgrade()
    yield made
    made.dispose()


def test_devices_rollouts_and_cohorts_are_what_they_were(database: Database) -> None:
    with database.read() as session:
        assert [(d.id, d.attributes["site"]) for d in session.exec(select(Device))] == [
            ("cam-1", "hanoi"),
            ("cam-2", "hanoi"),
        ]
        assert cohorts.devices(session, cohorts.get(session, "hanoi").expression) == ["cam-1", "cam-2"]
        assert session.exec(select(Assignment)).one().outcome == "committed"
        shown = views.rollout_out(session, session.exec(select(Rollout)).one(), AT)
    assert (shown.id, shown.state) == ("r1", "succeeded")


def test_samples_keep_their_times_releases_and_slots(database: Database) -> None:
    with database.read() as session:
        found = repository.samples(session, ["cam-1"], "camera_fps")
        newest = repository.latest(session, ["cam-1"])

    assert [(p.at - AT, p.value) for p in found] == [(timedelta(seconds=10 * n), 25.0 - n) for n in (2, 1, 0)]
    assert {(p.component, p.digest, p.slot) for p in found} == {("app", "a" * 64, "A")}
    assert {(p.name, p.value) for p in newest} == {("camera_fps", 23.0), ("node_cpu_ratio", 0.5)}


def test_a_batch_that_was_stored_before_is_not_stored_again_and_the_next_one_is(database: Database) -> None:
    def hear(number: int) -> None:
        sample = Sample((AT + timedelta(minutes=number)).isoformat(), "camera_fps", 1.0, "app", "a" * 64)
        with database.write() as session:
            service.ingest(
                session, "cam-1", [TelemetryBatch("cam-1", "s1", number, 0, (sample,))], AT + timedelta(hours=1)
            )

    for number in (7, 8):
        hear(number)

    with database.read() as session:
        stream = session.get(DeviceStream, ("cam-1", "s1"))
        assert stream is not None
        assert (stream.batch, stream.event_seq) == (8, 3)
        assert len(repository.samples(session, ["cam-1"], "camera_fps")) == 4
