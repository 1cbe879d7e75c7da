"""The values of many series over spans of time as one query: raw ones, rollups, or both, whichever is shortest to read.

Promises: spans up to RAW_UP_TO and the newest minutes are raw values; longer ones are made from rollups of five minutes
that lie wholly in the span, or of hours from HOURS_FROM on. Both kinds have the same columns, so that nobody above
needs to know: a raw value is a stretch of one sample.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.telemetry import repository
from surefoot_server.telemetry.models import TelemetryFiveMinutes, TelemetryHour, TelemetrySample

RAW_UP_TO = timedelta(minutes=30)
HOURS_FROM = timedelta(hours=48)
HOUR_MS = 3_600_000
COLUMNS = ("mean", "median", "p95", "low", "high", "first", "last")


def points(session: Session, those: sa.CTE, longest: timedelta) -> sa.CTE:
    """`those` has key, series_id, since and until (ms) of each span; the result key, at_ms, n, COLUMNS and rise."""
    edge_ms = repository.progress(session, repository.FIVE_MINUTES) if longest > RAW_UP_TO else 0
    v = db.table_of(TelemetrySample)
    raw = sa.select(
        those.c.key,
        v.c.at_ms,
        sa.literal(1).label("n"),
        *(v.c.value.label(name) for name in COLUMNS),
        sa.literal(0.0).label("rise"),
    ).join_from(
        those,
        v,
        (v.c.series_id == those.c.series_id)
        & (v.c.at_ms >= those.c.since)
        & (v.c.at_ms >= edge_ms)
        & (v.c.at_ms < those.c.until),
    )
    if not edge_ms:
        return raw.cte("point")
    hours = longest > HOURS_FROM
    r, wide_ms = db.table_of(TelemetryHour if hours else TelemetryFiveMinutes), HOUR_MS if hours else HOUR_MS // 12
    rolled = sa.select(
        those.c.key,
        (r.c.from_ms + wide_ms // 2).label("at_ms"),
        r.c.samples.label("n"),
        *(r.c[name] for name in COLUMNS),
        r.c.rise,
    ).join_from(
        those,
        r,
        (r.c.series_id == those.c.series_id)
        & (r.c.from_ms >= those.c.since)
        & (r.c.from_ms < edge_ms)
        & (r.c.from_ms <= those.c.until - wide_ms),
    )
    return sa.union_all(raw, rolled).cte("point")
