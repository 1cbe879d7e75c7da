"""One figure a device: means, rises and slopes, cut by time and release."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from surefoot_server.telemetry import repository, service
from surefoot_server.telemetry.aggregates import Cut, by_device
from surefoot_server.telemetry.models import TelemetryFiveMinutes, TelemetryProgress
from surefoot_server.telemetry.repository import ms
from surefoot_shared.messages import Sample, TelemetryBatch
from tests.server.rig import NOW, Rig, digest, later

OLD, NEW = digest("app/1.0"), digest("app/1.1")
HOUR = Cut("app", NOW, later(3600))


class Feed:
    def __init__(self, rig: Rig) -> None:
        self.rig, self.batch = rig, 0

    def __call__(
        self,
        device: str,
        name: str,
        values: Sequence[float],
        on: str | None = OLD,
        step_s: float = 60.0,
        start: float = 0,
    ) -> None:
        """Store one value a step from `start` on."""
        self.batch += 1
        component = "app" if on else None
        samples = tuple(
            Sample(later(start + i * step_s).isoformat(), name, v, component, on) for i, v in enumerate(values)
        )
        batch = TelemetryBatch(device, "s1", self.batch, 0, samples)
        with self.rig.db.write() as session:
            service.ingest(session, device, [batch], later(start + len(values) * step_s))


@pytest.fixture
def feed(rig: Rig) -> Feed:
    for name in ("cam-1", "cam-2", "cam-3"):
        rig.device(name)
    return Feed(rig)


def figures(rig: Rig, metric: str, cut: Cut = HOUR, *devices: str) -> dict[str, float]:
    with rig.db.read() as session:
        return by_device(session, metric, devices or ("cam-1", "cam-2", "cam-3"), cut)


def test_a_gauge_is_its_mean_and_who_sent_nothing_is_left_out(rig: Rig, feed: Feed) -> None:
    feed("cam-1", "camera_fps", [10, 20, 30])
    feed("cam-2", "camera_fps", [5])

    assert figures(rig, "camera_fps") == {"cam-1": 20.0, "cam-2": 5.0}
    assert figures(rig, "camera_fps", HOUR, "cam-2", "cam-3") == {"cam-2": 5.0}


def test_a_counter_is_its_rise_a_second_and_a_restart_loses_nothing(rig: Rig, feed: Feed) -> None:
    feed("cam-1", "counts_total", [100, 160, 220])
    feed("cam-2", "counts_total", [100, 160, 30, 90])
    feed("cam-3", "counts_total", [7])

    assert figures(rig, "counts_total") == {"cam-1": pytest.approx(1.0), "cam-2": pytest.approx(150 / 180)}


def test_a_slope_is_the_rise_an_hour_between_the_halves(rig: Rig, feed: Feed) -> None:
    feed("cam-1", "memory_bytes", [1000.0 + i for i in range(60)])
    feed("cam-2", "memory_bytes", [1000.0] * 60)
    feed("cam-3", "memory_bytes", [1000.0] * 20)

    assert figures(rig, "memory_slope") == {"cam-1": pytest.approx(60.0), "cam-2": 0.0}


def test_the_span_and_the_release_are_cut_exactly(rig: Rig, feed: Feed) -> None:
    feed("cam-1", "camera_fps", [30] * 5)
    feed("cam-1", "camera_fps", [10] * 5, on=NEW, start=300)
    feed("cam-1", "node_cpu_ratio", [0.2, 0.4], on=None)

    assert figures(rig, "camera_fps", Cut("app", NOW, later(3600), on=NEW)) == {"cam-1": 10.0}
    assert figures(rig, "camera_fps", Cut("app", NOW, later(3600), other_than=NEW)) == {"cam-1": 30.0}
    assert figures(rig, "camera_fps", Cut("app", later(240), later(301))) == {"cam-1": 20.0}
    assert figures(rig, "camera_fps", Cut("model", NOW, later(3600))) == {}
    assert figures(rig, "node_cpu_ratio", Cut("app", NOW, later(3600), on=NEW)) == {"cam-1": pytest.approx(0.3)}


def test_an_empty_span_has_no_figures(rig: Rig, feed: Feed) -> None:
    feed("cam-1", "camera_fps", [30])

    assert figures(rig, "camera_fps", Cut("app", NOW, NOW)) == {}


def test_a_long_span_is_read_from_rollups_and_a_counter_loses_nothing_between_them(rig: Rig, feed: Feed) -> None:
    feed("cam-1", "counts_total", [400, 460], start=900)
    with rig.db.write() as session:
        rest = {"median": 0.0, "p95": 0.0, "low": 0.0, "high": 0.0, "samples": 30}
        for start_s, first, last, rise in ((0, 100, 200, 100), (300, 210, 20, 40), (600, 30, 380, 350)):
            row = {
                "series_id": 1,
                "from_ms": ms(later(start_s)),
                "mean": 0.0,
                "first": first,
                "last": last,
                "rise": rise,
            }
            session.add(TelemetryFiveMinutes(**row, **rest))
        session.add(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(later(900))))

    risen = 100 + 10 + 40 + 10 + 350 + 20 + 60
    assert figures(rig, "counts_total") == {"cam-1": pytest.approx(risen / (960 - 150))}
