"""Samples are stored once, with a time that can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from surefoot_server.devices.models import DeviceStream
from surefoot_server.telemetry import repository, service
from surefoot_server.telemetry.models import TelemetrySample
from surefoot_shared.messages import Sample, TelemetryBatch
from surefoot_shared.status import SlotName
from tests.server.rig import NOW, Rig, digest, later


def batch(number: int, *samples: Sample, stream: str = "s1", dropped: int = 0) -> TelemetryBatch:
    return TelemetryBatch("cam-1", stream, number, dropped, samples)


def fps(value: float, at: datetime | str = NOW) -> Sample:
    text = at if isinstance(at, str) else at.isoformat()
    return Sample(text, "camera_fps", value, "app", digest("app/1.1"), SlotName.A)


def store(rig: Rig, batches: Sequence[TelemetryBatch], now: datetime = NOW) -> list[TelemetrySample]:
    with rig.db.write() as session:
        service.ingest(session, "cam-1", batches, now)
    with rig.db.read() as session:
        return list(session.exec(select(TelemetrySample).order_by("id")))


@pytest.fixture(autouse=True)
def device(rig: Rig) -> None:
    rig.device("cam-1")


def test_samples_carry_the_release_and_the_slot(rig: Rig) -> None:
    row = store(rig, [batch(1, fps(25.0))])[0]

    assert (row.name, row.value, row.component, row.slot) == ("camera_fps", 25.0, "app", "A")
    assert (row.digest, row.at) == (digest("app/1.1"), NOW)


def test_a_batch_that_comes_twice_is_stored_once(rig: Rig) -> None:
    one = batch(1, fps(25.0))
    store(rig, [one, one])

    assert len(store(rig, [one, batch(2, fps(24.0))])) == 2


def test_batches_may_come_in_any_order(rig: Rig) -> None:
    store(rig, [batch(3, fps(3.0))])

    assert [row.value for row in store(rig, [batch(2, fps(2.0))])] == [3.0, 2.0]


def test_numbers_belong_to_their_stream(rig: Rig) -> None:
    assert len(store(rig, [batch(1, fps(1.0)), batch(1, fps(2.0), stream="s2")])) == 2


def test_the_stream_remembers_how_far_it_is_and_what_the_device_dropped(rig: Rig) -> None:
    store(rig, [batch(4, fps(1.0), dropped=120), batch(3, fps(1.0), dropped=90)])

    with rig.db.read() as session:
        stream = session.get(DeviceStream, ("cam-1", "s1"))
    assert stream is not None
    assert (stream.batch, stream.dropped_samples) == (4, 120)


def test_samples_of_a_device_that_was_offline_keep_their_times(rig: Rig) -> None:
    rows = store(rig, [batch(1, fps(1.0, later(-7200)), fps(2.0, later(-3600)))])

    assert [row.at for row in rows] == [later(-7200), later(-3600)]


@pytest.mark.parametrize("wrong", [timedelta(days=-20_000), timedelta(hours=5)])
def test_a_wrong_clock_is_shifted_so_that_the_newest_sample_is_now(rig: Rig, wrong: timedelta) -> None:
    rows = store(rig, [batch(1, fps(1.0, NOW + wrong - timedelta(seconds=10)), fps(2.0, NOW + wrong))])

    assert [row.at for row in rows] == [later(-10), NOW]
    assert rows[1].device_at == (NOW + wrong).isoformat()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-99", "9" * 50])
def test_a_time_that_cannot_be_read_counts_as_now(rig: Rig, text: str) -> None:
    assert store(rig, [batch(1, fps(1.0, text))])[0].at == NOW


def test_the_z_of_utc_is_understood(rig: Rig) -> None:
    assert store(rig, [batch(1, fps(1.0, "2026-03-01T11:59:00Z"))])[0].at == later(-60)


def test_a_name_without_end_is_left_out_and_the_rest_kept(rig: Rig) -> None:
    long = Sample(NOW.isoformat(), "x" * 1000, 1.0)

    assert [row.name for row in store(rig, [batch(1, long, fps(1.0))])] == ["camera_fps"]


def test_the_newest_value_of_a_series_is_kept_apart(rig: Rig) -> None:
    store(rig, [batch(2, fps(20.0, later(-5)), fps(21.0, later(-1)))])
    store(rig, [batch(1, fps(10.0, later(-60)))])

    with rig.db.read() as session:
        latest = repository.latest(session, "cam-1", "camera_fps")
    assert [(row.value, row.at) for row in latest] == [(21.0, later(-1))]


def test_an_empty_batch_is_a_batch(rig: Rig) -> None:
    assert store(rig, [batch(1)]) == []


def test_a_thousand_samples_are_one_statement_and_not_a_thousand(rig: Rig) -> None:
    statements: list[str] = []
    from sqlalchemy import event

    event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    store(rig, [batch(1, *(fps(float(n)) for n in range(1000)))])

    assert sum("INSERT INTO telemetry_sample" in s for s in statements) == 1
