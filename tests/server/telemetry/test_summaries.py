"""What a metric was on many devices, each over its own span."""

from __future__ import annotations

import statistics
import time
from datetime import datetime

import pytest

from surefoot_server import db
from surefoot_server.telemetry import repository, service
from surefoot_server.telemetry.models import (
    TelemetryFiveMinutes,
    TelemetryHour,
    TelemetryProgress,
    TelemetrySample,
    TelemetrySeries,
)
from surefoot_server.telemetry.repository import ms
from surefoot_server.telemetry.summaries import Span, summaries
from surefoot_shared.messages import Sample, TelemetryBatch
from tests.server.rig import NOW, Rig, digest, later

OLD, NEW = digest("app/1.0"), digest("app/1.1")


def store(rig: Rig, device: str, values: list[tuple[datetime, float]], release: str = NEW) -> None:
    samples = tuple(Sample(at.isoformat(), "camera_fps", value, "app", release) for at, value in values)
    with rig.db.write() as session:
        number = repository.windows(session, [device]).get((device, "s1"), repository.StreamState()).window.top + 1
        service.ingest(session, device, [TelemetryBatch(device, "s1", number, 0, samples)], NOW)


def rolled(rig: Rig, model: type[TelemetryFiveMinutes | TelemetryHour], rows: list[tuple[float, int, float]]) -> None:
    """Stretches of the one series: (seconds before now, samples, mean); the median is one higher, p95 two."""
    with rig.db.write() as session:
        for before_s, count, mean in rows:
            more = {
                "median": mean + 1,
                "p95": mean + 2,
                "low": 0.0,
                "high": 99.0,
                "first": 0.0,
                "last": 0.0,
                "rise": 0.0,
            }
            session.add(model(series_id=1, from_ms=ms(later(-before_s)), samples=count, mean=mean, **more))
        session.merge(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(NOW)))


def test_each_device_is_summarised_over_its_own_span_and_release(rig: Rig) -> None:
    for device in ("cam-1", "cam-2", "cam-3"):
        rig.device(device)
    store(rig, "cam-1", [(later(-600), 10.0), (later(-300), 20.0), (later(-60), 60.0)])
    store(rig, "cam-1", [(later(-299), 1000.0)], OLD)
    store(rig, "cam-2", [(later(-1200), 5.0), (later(-600), 7.0)])

    with rig.db.read() as session:
        spans = [Span("cam-1", later(-600), NOW, NEW), Span("cam-2", later(-900), NOW), Span("cam-3", later(-900), NOW)]
        found = summaries(session, "camera_fps", spans)

    assert found.keys() == {"cam-1", "cam-2"}
    assert (found["cam-1"].samples, found["cam-1"].mean, found["cam-1"].median) == (3, 30.0, 20.0)
    assert (found["cam-1"].p95, found["cam-1"].low, found["cam-1"].high) == (60.0, 10.0, 60.0)
    assert (found["cam-2"].samples, found["cam-2"].mean, found["cam-2"].slope_per_h) == (1, 7.0, 0.0)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 20, 21])
def test_raw_values_give_the_exact_median_the_95th_percentile_and_the_slope(rig: Rig, count: int) -> None:
    rig.device("cam-1")
    values = [float(n * n % 17) for n in range(count)]
    store(rig, "cam-1", [(later(60.0 * (n - count)), value) for n, value in enumerate(values)])

    with rig.db.read() as session:
        found = summaries(session, "camera_fps", [Span("cam-1", later(-60.0 * count), NOW)])["cam-1"]

    assert found.median == statistics.median(values)
    assert found.p95 == sorted(values)[-(-95 * count // 100) - 1]
    slope = statistics.linear_regression(range(count), values).slope * 60 if count > 1 else 0.0
    assert found.slope_per_h == pytest.approx(slope)


def test_a_long_span_is_made_of_rollups_and_the_newest_raw_values(rig: Rig) -> None:
    rig.device("cam-1")
    store(rig, "cam-1", [(NOW, 40.0)])
    rolled(rig, TelemetryFiveMinutes, [(3600, 30, 10.0), (900, 30, 20.0), (300, 30, 30.0)])

    with rig.db.read() as session:
        found = summaries(session, "camera_fps", [Span("cam-1", later(-3600), later(1))])["cam-1"]
        without = summaries(session, "camera_fps", [Span("cam-1", later(-3599), later(1))])["cam-1"]

    assert (found.samples, without.samples) == (91, 61)
    assert found.mean == pytest.approx((300 + 600 + 900 + 40) / 91)
    assert (found.median, found.high) == (26.0, 99.0)
    assert found.slope_per_h > 0


def test_a_span_of_days_is_made_of_hours(rig: Rig) -> None:
    rig.device("cam-1")
    store(rig, "cam-1", [(later(-80_000), 1.0)])
    rolled(rig, TelemetryHour, [(3600 * 50, 300, 10.0), (3600, 300, 12.0)])

    with rig.db.read() as session:
        found = summaries(session, "camera_fps", [Span("cam-1", later(-3600 * 60), NOW)])["cam-1"]

    assert (found.samples, found.mean, found.p95) == (600, 11.0, 13.0)
    assert found.slope_per_h == pytest.approx(2.0 / 49)


def test_a_component_is_told_from_another_with_the_same_metric(rig: Rig) -> None:
    rig.device("cam-1")
    store(rig, "cam-1", [(later(-5), 10.0)])

    with rig.db.read() as session:
        span = [Span("cam-1", later(-60), NOW)]
        assert summaries(session, "camera_fps", span, "model") == {}
        assert summaries(session, "camera_fps", span, "app")["cam-1"].mean == 10.0
        assert summaries(session, "memory_bytes", span) == {}
        assert summaries(session, "camera_fps", []) == {}


@pytest.mark.slow
def test_six_hours_of_ten_thousand_devices_take_seconds(rig: Rig) -> None:
    devices = 10_000
    pem = rig.device_row(rig.device("cam-0")).model_dump(exclude={"id"})
    with rig.db.write() as session:
        from surefoot_server.devices.models import Device

        db.insert_ignoring(session, Device, [{**pem, "id": f"cam-{n}"} for n in range(1, devices)])
        series = [
            {"device_id": f"cam-{n}", "name": "camera_fps", "component": "app", "digest": NEW, "slot": "A"}
            for n in range(devices)
        ]
        rest = {"last_at_ms": ms(NOW), "last_value": 1.0}
        db.insert_ignoring(session, TelemetrySeries, [{**row, **rest} for row in series])
        names = ("series_id", "from_ms", "samples", "mean", "median", "p95", "low", "high", "first", "last", "rise")
        rows = [
            (n, ms(later(-300 * k)), 30, 25.0, 25.0, 26.0, 20.0, 30.0, 25.0, 25.0, 0.0)
            for n in range(1, devices + 1)
            for k in range(1, 73)
        ]
        db.append(session, TelemetryFiveMinutes, names, rows)
        db.append(
            session, TelemetrySample, ("series_id", "at_ms", "value"), [(n, ms(NOW), 25.0) for n in range(devices)]
        )
        session.merge(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(NOW)))
    spans = [Span(f"cam-{n}", later(-6 * 3600), later(1), NEW) for n in range(devices)]

    began = time.perf_counter()
    with rig.db.read() as session:
        found = summaries(session, "camera_fps", spans)
    took_s = time.perf_counter() - began

    print(f"summaries of {devices} devices over 72 stretches each: {took_s:.2f} s")
    assert len(found) == devices
    assert took_s < 30
