"""What a metric was on each of many devices, each over a span of its own: mean, median, p95, slope, lowest and highest.

Promises: devices without a value in their span are missing, never zero; a span takes the values of one release where it
names the digest, of any where it does not. Where a span is read from rollups (`points`) a stretch counts once: then
`median` is the median of the stretches' medians, `p95` the mean of their p95, and the slope goes through their means.
The judge's one figure a device is in `aggregates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.telemetry.models import TelemetrySeries
from surefoot_server.telemetry.points import HOUR_MS, points
from surefoot_server.telemetry.repository import ms

QUERY_SPANS = 1000
"""Five parameters each; SQLite takes 32,766 in a statement."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` up to, not including, `until` on one device, while it ran the release `digest` ("": any)."""

    device_id: str
    since: datetime
    until: datetime
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """`samples` raw values went in. `slope_per_h` is the least-squares change in an hour, 0 of a single moment."""

    samples: int
    mean: float
    median: float
    p95: float
    slope_per_h: float
    low: float
    high: float


def summaries(session: Session, metric: str, spans: Sequence[Span], component: str = "") -> dict[str, Summary]:
    """Summarise a metric by device; at most one span a device. `component` narrows where several expose the metric."""
    found: dict[str, Summary] = {}
    for start in range(0, len(spans), QUERY_SPANS):
        some = spans[start : start + QUERY_SPANS]
        rows = session.connection().execute(_query(session, metric, some, component))
        for number, *numbers in rows:
            found[some[number].device_id] = _summary(*numbers)
    return found


def _query(session: Session, metric: str, spans: Sequence[Span], component: str) -> sa.Select[Any]:
    span = _values(spans).cte("span")
    series = db.table_of(TelemetrySeries)
    conditions = [
        series.c.device_id == span.c.device,
        series.c.name == metric,
        (span.c.digest == "") | (series.c.digest == span.c.digest),
        *([series.c.component == component] if component else []),
    ]
    columns = (span.c.number.label("key"), span.c.since, span.c.until, series.c.id.label("series_id"))
    those = sa.select(*columns).join_from(span, series, sa.and_(*conditions)).cte("those")
    point = points(session, those, max(s.until - s.since for s in spans))
    first_ms = min(ms(s.since) for s in spans)  # hours since then: products of the times themselves would lose digits
    return _reduced(sa.select(*point.c, ((point.c.at_ms - first_ms) / float(HOUR_MS)).label("x")).cte("timed"))


def _values(spans: Sequence[Span]) -> sa.Values:
    columns = (
        sa.column("number", sa.Integer),
        sa.column("device", sa.String),
        sa.column("digest", sa.String),
        sa.column("since", sa.BigInteger),
        sa.column("until", sa.BigInteger),
    )
    rows = [(n, s.device_id, s.digest, ms(s.since), ms(s.until)) for n, s in enumerate(spans)]
    return sa.values(*columns, name="span").data(rows)


def _reduced(point: sa.CTE) -> sa.Select[Any]:
    of_span = point.c.key
    ranked = sa.select(
        *point.c,
        sa.func.row_number().over(partition_by=of_span, order_by=point.c.median).label("rank"),
        sa.func.count().over(partition_by=of_span).label("points"),
    ).cte("ranked")
    c, total = ranked.c, sa.func.sum
    twice = 2 * c.rank  # of an odd number one row is in the middle, of an even number two
    in_the_middle = (twice >= c.points) & (twice <= c.points + 2)
    return sa.select(
        c.key,
        total(c.n),
        sa.func.count(),
        total(c.n * c.mean),
        sa.func.avg(sa.case((in_the_middle, c.median))),
        sa.func.min(sa.case((c.rank >= 0.95 * c.points, c.median))),
        total(c.n * c.p95),
        total(c.n * c.x),
        total(c.n * c.x * c.x),
        total(c.n * c.x * c.mean),
        sa.func.min(c.low),
        sa.func.max(c.high),
    ).group_by(c.key)


def _summary(
    samples: int,
    points: int,
    sum_v: float,
    median: float,
    ranked_p95: float,
    sum_p95: float,
    sum_x: float,
    sum_xx: float,
    sum_xv: float,
    low: float,
    high: float,
) -> Summary:
    spread = samples * sum_xx - sum_x * sum_x
    slope = (samples * sum_xv - sum_x * sum_v) / spread if points > 1 and spread > 1e-9 * samples * sum_xx else 0.0
    p95 = ranked_p95 if samples == points else sum_p95 / samples
    return Summary(int(samples), sum_v / samples, median, p95, slope, low, high)
