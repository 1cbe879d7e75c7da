"""Five minutes, then hours, made once and made again where samples come late."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from surefoot_server.telemetry import repository, rollups, service
from surefoot_server.telemetry.models import (
    TelemetryFiveMinutes,
    TelemetryHour,
    TelemetryLate,
    TelemetryProgress,
)
from surefoot_server.telemetry.repository import ms
from surefoot_shared.messages import Sample, TelemetryBatch
from tests.server.rig import NOW, Rig, later


class Feed:
    def __init__(self, rig: Rig) -> None:
        self.rig, self.number = rig, 0

    def __call__(self, *values: tuple[float, float], name: str = "camera_fps", now: datetime = NOW) -> None:
        """Store (seconds before NOW, value)."""
        self.number += 1
        samples = tuple(Sample(later(-before_s).isoformat(), name, value) for before_s, value in values)
        with self.rig.db.write() as session:
            service.ingest(session, "cam-1", [TelemetryBatch("cam-1", "s1", self.number, 0, samples)], now)

    def five(self) -> list[TelemetryFiveMinutes]:
        with self.rig.db.read() as session:
            return list(session.exec(select(TelemetryFiveMinutes).order_by("series_id", "from_ms")))

    def hours(self) -> list[TelemetryHour]:
        with self.rig.db.read() as session:
            return list(session.exec(select(TelemetryHour).order_by("from_ms")))


@pytest.fixture
def feed(rig: Rig) -> Feed:
    rig.device("cam-1")
    return Feed(rig)


def test_a_stretch_is_rolled_up_once_it_is_over(feed: Feed) -> None:
    feed((540, 10.0), (480, 30.0), (420, 20.0), (420.5, 21.0), (10, 99.0))

    assert rollups.roll_up(feed.rig.db, later(0)) == 1
    assert rollups.roll_up(feed.rig.db, later(0)) == 0

    (row,) = feed.five()
    assert (row.from_ms, row.samples, row.mean) == (ms(later(-600)), 4, 20.25)
    assert (row.median, row.p95, row.low, row.high) == (20.5, 30.0, 10.0, 30.0)
    assert (row.first, row.last) == (10.0, 20.0)


def test_a_counter_keeps_what_it_rose_by_also_over_a_restart(feed: Feed) -> None:
    feed((590, 100.0), (500, 160.0), (450, 20.0), (400, 50.0), name="counts_total")
    rollups.roll_up(feed.rig.db, NOW)

    assert feed.five()[0].rise == 60 + 20 + 30


def test_an_hour_is_made_of_its_five_minutes(feed: Feed) -> None:
    feed(*((3600 - 60 * n, float(n)) for n in range(60)), name="counts_total")
    for _ in range(3):
        rollups.roll_up(feed.rig.db, later(60))

    (hour,) = feed.hours()
    assert (hour.from_ms, hour.samples, hour.mean) == (ms(NOW - timedelta(hours=1)), 60, 29.5)
    assert (hour.first, hour.last, hour.rise, hour.low, hour.high) == (0.0, 59.0, 59.0, 0.0, 59.0)
    assert hour.median == 29.5


def test_samples_that_come_late_are_rolled_up_again_with_their_hour(feed: Feed) -> None:
    feed((3500, 10.0))
    rollups.roll_up(feed.rig.db, later(60))
    feed((3490, 30.0))

    assert rollups.roll_up(feed.rig.db, later(60)) == 1
    assert rollups.roll_up(feed.rig.db, later(60)) == 0

    assert [(row.samples, row.mean) for row in feed.five()] == [(2, 20.0)]
    assert [(row.samples, row.mean) for row in feed.hours()] == [(2, 20.0)]
    with feed.rig.db.read() as session:
        assert session.exec(select(TelemetryLate)).all() == []


def test_after_a_long_stop_the_work_is_done_in_pieces(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "STRETCHES_AT_ONCE", 2)
    feed((1200, 1.0), (900, 2.0), (600, 3.0))

    written = [rollups.roll_up(feed.rig.db, later(60)) for _ in range(3)]

    assert written == [2, 1, 0]


def test_many_series_are_read_some_at_a_time(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "SERIES_AT_ONCE", 2)
    for n in range(5):
        feed((500, float(n)), name=f"own_{n}")

    assert rollups.roll_up(feed.rig.db, NOW) == 5


def test_without_samples_there_is_nothing_to_do(rig: Rig) -> None:
    assert rollups.roll_up(rig.db, NOW) == 0


def test_old_rollups_go(feed: Feed) -> None:
    feed((1200, 1.0), (500, 2.0))
    rollups.roll_up(feed.rig.db, NOW)

    with feed.rig.db.write() as session:
        rollups.delete_older(session, TelemetryFiveMinutes, later(-700))
        rollups.delete_older(session, TelemetryHour, NOW)

    assert [row.mean for row in feed.five()] == [2.0]
    with feed.rig.db.read() as session:
        assert repository.progress(session, "five_minutes") == session.exec(select(TelemetryProgress)).one().until_ms
