"""Samples are stored once, with a time that can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from surefoot_server.devices.models import DeviceStream
from surefoot_server.telemetry import repository, series, service
from surefoot_server.telemetry.models import TelemetryLate, TelemetryProgress
from surefoot_server.telemetry.repository import Point, ms
from surefoot_shared.messages import Sample, TelemetryBatch
from surefoot_shared.status import SlotName
from tests.server.rig import NOW, Rig, digest, later


def batch(number: int, *samples: Sample, stream: str = "s1", dropped: int = 0) -> TelemetryBatch:
    return TelemetryBatch("cam-1", stream, number, dropped, samples)


def fps(value: float, at: datetime | str = NOW) -> Sample:
    text = at if isinstance(at, str) else at.isoformat()
    return Sample(text, "camera_fps", value, "app", digest("app/1.1"), SlotName.A)


def store(rig: Rig, batches: Sequence[TelemetryBatch], now: datetime = NOW) -> list[Point]:
    with rig.db.write() as session:
        service.ingest(session, "cam-1", batches, now)
    with rig.db.read() as session:
        return repository.samples(session)[::-1]


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

    assert len(store(rig, [one, batch(2, fps(24.0, later(-1)))])) == 2


def test_batches_may_come_in_any_order(rig: Rig) -> None:
    store(rig, [batch(3, fps(3.0))])

    assert sorted(row.value for row in store(rig, [batch(2, fps(2.0, later(-1)))])) == [2.0, 3.0]


def test_numbers_belong_to_their_stream(rig: Rig) -> None:
    assert len(store(rig, [batch(1, fps(1.0, later(-1))), batch(1, fps(2.0), stream="s2")])) == 2


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
    with rig.db.read() as session:
        stream = session.get(DeviceStream, ("cam-1", "s1"))
    assert stream is not None
    assert stream.clock_shift_s == -wrong.total_seconds()


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
        latest = repository.latest(session, ["cam-1"], "camera_fps")
    assert [(row.value, row.at) for row in latest] == [(21.0, later(-1))]


def test_an_empty_batch_is_a_batch(rig: Rig) -> None:
    assert store(rig, [batch(1)]) == []


def test_a_thousand_samples_are_one_statement_and_not_a_thousand(rig: Rig) -> None:
    statements: list[str] = []
    from sqlalchemy import event

    event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    store(rig, [batch(1, *(fps(float(n), later(-n)) for n in range(1000)))])

    assert sum("INTO telemetry_sample " in s for s in statements) == 1


def test_what_comes_after_its_stretch_was_rolled_up_is_noted(rig: Rig) -> None:
    with rig.db.write() as session:
        session.add(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(later(-300))))

    store(rig, [batch(1, fps(1.0, later(-900)), fps(2.0, later(-10)))])

    with rig.db.read() as session:
        assert [row.from_ms for row in session.exec(select(TelemetryLate))] == [ms(later(-900))]


def test_a_device_cannot_fill_the_database_with_names(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "SERIES_LIMIT", 3)
    many = [Sample(NOW.isoformat(), f"own_{n}", 1.0) for n in range(5)]

    with rig.db.write() as session:
        stored = service.store(session, {"cam-1": [batch(1, *many)]}, NOW, series.Cache())

    assert (stored.samples, stored.left_out) == (3, 2)


def test_after_a_cut_nothing_is_acknowledged_until_the_device_begins_anew(rig: Rig) -> None:
    def acked(numbers: Sequence[int], cut: Sequence[str] = ()) -> int:
        with rig.db.write() as session:
            said = [batch(n, fps(float(n), later(-n))) for n in numbers]
            stored = service.store(session, {"cam-1": said} if said else {}, NOW, series.Cache(), cut)
        return stored.acks["cam-1", "s1"].batch if stored.acks else -1

    assert acked([1, 2]) == 2
    assert acked([4], cut=["cam-1"]) == 2
    assert acked([5, 6]) == 2
    assert acked([3, 4, 5, 6]) == 6
    assert acked([], cut=["cam-1"]) == -1
    assert acked([8]) == 6
    assert acked([7, 8]) == 8


def test_devices_of_one_message_each_cost_no_statement_each(rig: Rig) -> None:
    statements: list[str] = []
    from sqlalchemy import event

    names = [rig.device(f"cam-{n}") for n in range(10, 30)]
    event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    with rig.db.write() as session:
        said = {name: [TelemetryBatch(name, "s1", 1, 0, (fps(1.0),))] for name in names}
        service.store(session, said, NOW, series.Cache())

    assert len(statements) < 15
