"""What is left of raw samples: one row for five minutes of a series, then one for an hour, each kept longer.

Promises: a stretch is rolled up once it is over and SETTLE_MS old; samples that come later (a device was offline) make
their stretch rolled up again; reading is done apart from writing, some series at a time, so that the writer of messages
never waits long; after a crash the work goes on where it was. Stretches are done in order: `progress` tells up to when
all of them are complete. The 95th percentile is the nearest rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.telemetry import repository
from surefoot_server.telemetry.models import (
    TelemetryFiveMinutes,
    TelemetryHour,
    TelemetryLate,
    TelemetryProgress,
    TelemetrySample,
    TelemetrySeries,
)
from surefoot_server.telemetry.repository import FIVE_MINUTES, FIVE_MINUTES_MS, ms

HOUR_MS = 12 * FIVE_MINUTES_MS
SETTLE_MS = 60_000
"""Batches of the last seconds of a stretch are still on their way."""
STRETCHES_AT_ONCE = 24
"""Of one call: after a long stop the rest is done by the next calls."""
SERIES_AT_ONCE = 5000
LATE_AT_ONCE = 2000
NAMES = ("series_id", "from_ms", "samples", "mean", "median", "p95", "low", "high", "first", "last", "rise")


def roll_up(database: Database, now: datetime) -> int:
    """Roll up what is over; return how many rows of five minutes were written."""
    with database.read() as session:
        start_ms = repository.progress(session, FIVE_MINUTES) or _first_ms(session)
    if start_ms is None:
        return 0
    end_ms, written = ms(now) - SETTLE_MS, 0
    start_ms -= start_ms % FIVE_MINUTES_MS
    for from_ms in range(start_ms, end_ms - FIVE_MINUTES_MS + 1, FIVE_MINUTES_MS)[:STRETCHES_AT_ONCE]:
        written += _stretch(database, from_ms)
        hour_over = (from_ms + FIVE_MINUTES_MS) % HOUR_MS == 0
        if hour_over:
            _hour(database, from_ms + FIVE_MINUTES_MS - HOUR_MS)
        with database.write() as session:
            session.merge(TelemetryProgress(name=FIVE_MINUTES, until_ms=from_ms + FIVE_MINUTES_MS))
    return written + _again(database)


def delete_older(session: Session, model: type[TelemetryFiveMinutes | TelemetryHour], before: datetime) -> None:
    """Remove rollups of before."""
    table = db.table_of(model)
    session.connection().execute(table.delete().where(table.c.from_ms < ms(before)))


def _first_ms(session: Session) -> int | None:
    found: int | None = (
        session.connection().execute(sa.select(sa.func.min(db.table_of(TelemetrySample).c.at_ms))).scalar()
    )
    return found


def _stretch(database: Database, from_ms: int) -> int:
    written, after = 0, 0
    while True:
        with database.read() as session:
            last = _last_of_chunk(session, after)
            if last is None:
                return written
            s = db.table_of(TelemetrySeries).c
            those = sa.select(s.id.label("series_id"), sa.literal(from_ms).label("from_ms"))
            rows = _rolled(session, those.where(s.id > after, s.id <= last, s.last_at_ms >= from_ms))
        _write(database, TelemetryFiveMinutes, rows)
        written, after = written + len(rows), last


def _last_of_chunk(session: Session, after: int) -> int | None:
    s = db.table_of(TelemetrySeries).c
    some = sa.select(s.id).where(s.id > after).order_by(s.id).limit(SERIES_AT_ONCE).subquery()
    found: int | None = session.connection().execute(sa.select(sa.func.max(some.c.id))).scalar()
    return found


def _again(database: Database) -> int:
    """Roll up anew what got samples afterwards, and the hours that it lies in."""
    late = db.table_of(TelemetryLate)
    with database.read() as session:
        until_ms = repository.progress(session, FIVE_MINUTES)
        query = sa.select(late.c.series_id, late.c.from_ms).where(late.c.from_ms < until_ms).limit(LATE_AT_ONCE)
        marks = [tuple(row) for row in session.connection().execute(query)]
        if not marks:
            return 0
        those = sa.select(late.c.series_id, late.c.from_ms).where(
            sa.tuple_(late.c.series_id, late.c.from_ms).in_(marks)
        )
        rows = _rolled(session, those)
    _write(database, TelemetryFiveMinutes, rows)
    for from_ms in sorted({at_ms - at_ms % HOUR_MS for _, at_ms in marks}):
        if from_ms + HOUR_MS <= until_ms:
            _hour(database, from_ms, sorted({series for series, at_ms in marks if at_ms - at_ms % HOUR_MS == from_ms}))
    with database.write() as session:
        session.connection().execute(late.delete().where(sa.tuple_(late.c.series_id, late.c.from_ms).in_(marks)))
    return len(rows)


def _rolled(session: Session, those: sa.Select[Any]) -> Sequence[Sequence[Any]]:
    """One row for each (series_id, from_ms) that has raw samples."""
    stretch, v = those.cte("stretch"), db.table_of(TelemetrySample)
    mine = (v.c.series_id == stretch.c.series_id) & (v.c.at_ms >= stretch.c.from_ms)
    mine &= v.c.at_ms < stretch.c.from_ms + FIVE_MINUTES_MS
    value = v.c.value
    point = (
        sa.select(stretch.c.series_id, stretch.c.from_ms, v.c.at_ms, value, sa.literal(1).label("n"))
        .add_columns(
            *(value.label(name) for name in ("median", "p95", "low", "high", "first", "last")),
            sa.literal(0.0).label("rise"),
        )
        .join_from(stretch, v, mine)
        .cte("point")
    )
    return session.connection().execute(_reduced(point)).all()


def _hour(database: Database, from_ms: int, only: Sequence[int] = ()) -> None:
    """Make an hour of its five minutes; `only` some series."""
    f = db.table_of(TelemetryFiveMinutes)
    query = sa.select(
        f.c.series_id,
        sa.literal(from_ms).label("from_ms"),
        f.c.from_ms.label("at_ms"),
        f.c.mean.label("value"),
        f.c.samples.label("n"),
        *(f.c[name] for name in ("median", "p95", "low", "high", "first", "last", "rise")),
    ).where(f.c.from_ms >= from_ms, f.c.from_ms < from_ms + HOUR_MS)
    if only:
        query = query.where(f.c.series_id.in_(only))
    with database.read() as session:
        rows = session.connection().execute(_reduced(query.cte("point"))).all()
    for start in range(0, len(rows), SERIES_AT_ONCE):
        _write(database, TelemetryHour, rows[start : start + SERIES_AT_ONCE])


def _reduced(point: sa.CTE) -> sa.Select[Any]:
    key = (point.c.series_id, point.c.from_ms)
    ranked = sa.select(
        *point.c,
        sa.func.row_number().over(partition_by=key, order_by=point.c.median).label("rank"),
        sa.func.row_number().over(partition_by=key, order_by=point.c.at_ms).label("place"),
        sa.func.count().over(partition_by=key).label("points"),
        sa.func.lag(point.c.last).over(partition_by=key, order_by=point.c.at_ms).label("before"),
    ).cte("ranked")
    c, total = ranked.c, sa.func.sum
    # A counter that fell began anew at zero: what it shows since then was counted since then.
    between = sa.case((c.before.is_(None), 0.0), (c.first >= c.before, c.first - c.before), else_=c.first)
    in_the_middle = (2 * c.rank >= c.points) & (2 * c.rank <= c.points + 2)
    ranked_p95 = sa.func.min(sa.case((c.rank >= 0.95 * c.points, c.median)))
    p95 = sa.case((total(c.n) == sa.func.count(), ranked_p95), else_=total(c.n * c.p95) / total(c.n))
    return sa.select(
        c.series_id,
        c.from_ms,
        total(c.n),
        total(c.n * c.value) / total(c.n),
        sa.func.avg(sa.case((in_the_middle, c.median))),
        p95,
        sa.func.min(c.low),
        sa.func.max(c.high),
        sa.func.max(sa.case((c.place == 1, c.first))),
        sa.func.max(sa.case((c.place == c.points, c.last))),
        total(c.rise + between),
    ).group_by(c.series_id, c.from_ms)


def _write(database: Database, model: type[SQLModel], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    with database.write() as session:
        db.upsert_newer(session, model, [dict(zip(NAMES, row, strict=True)) for row in rows], "samples")
