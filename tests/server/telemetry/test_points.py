"""Raw values and rollups side by side."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server.telemetry import repository
from surefoot_server.telemetry.models import (
    TelemetryFiveMinutes,
    TelemetryHour,
    TelemetryProgress,
    TelemetrySample,
)
from surefoot_server.telemetry.points import COLUMNS, points
from surefoot_server.telemetry.repository import ms
from tests.server.rig import NOW, Rig, later

REST = dict.fromkeys((*COLUMNS, "rise"), 1.0)


def read(session: Session, hours: float, until_s: float = 1) -> list[tuple[int, int]]:
    """(milliseconds from now, samples) of a span that ends now."""
    span = {"key": "k", "series_id": 1, "since": ms(later(-3600 * hours)), "until": ms(later(until_s))}
    those = sa.select(*(sa.literal(value).label(name) for name, value in span.items())).cte("those")
    point = points(session, those, timedelta(hours=hours))
    rows = session.connection().execute(sa.select(point.c.at_ms, point.c.n).order_by(point.c.at_ms))
    return [(at_ms - ms(NOW), n) for at_ms, n in rows]


@pytest.fixture(autouse=True)
def stored(rig: Rig) -> None:
    with rig.db.write() as session:
        for before_s in (0, 60, 400, 4000):
            session.add(TelemetrySample(series_id=1, at_ms=ms(later(-before_s)), value=1.0))
        for model, before_s in ((TelemetryFiveMinutes, 600), (TelemetryFiveMinutes, 3900), (TelemetryHour, 7200)):
            session.add(model(series_id=1, from_ms=ms(later(-before_s)), samples=30, **REST))
        session.add(TelemetryProgress(name=repository.FIVE_MINUTES, until_ms=ms(later(-300))))


def test_a_short_span_is_raw(rig: Rig) -> None:
    with rig.db.read() as session:
        assert read(session, 0.5) == [(-400_000, 1), (-60_000, 1), (0, 1)]


def test_a_longer_one_is_rolled_up_as_far_as_that_goes_and_raw_after_it(rig: Rig) -> None:
    with rig.db.read() as session:
        assert read(session, 1) == [(-450_000, 30), (-60_000, 1), (0, 1)]


def test_a_stretch_counts_where_it_lies_wholly_in_the_span(rig: Rig) -> None:
    with rig.db.read() as session:
        assert read(session, 2, until_s=-350) == [(-3_750_000, 30)]


def test_days_are_read_in_hours(rig: Rig) -> None:
    with rig.db.read() as session:
        assert read(session, 72) == [(-5_400_000, 30), (-60_000, 1), (0, 1)]
