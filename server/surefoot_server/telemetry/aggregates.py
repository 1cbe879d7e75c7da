"""One figure a device and metric: what a span of time looked like on each, computed by the database.

Promises: a gauge is its mean, a counter its rise per second (a restart from zero loses nothing that was counted before
it), a slope its gauge's rise per hour between the halves of the span; a device without samples is not in the answer.
Samples carry the release they were measured on, so a span can be cut to one release or to all others. Long spans are
read from rollups (`points`), so that a night of ten thousand devices takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.telemetry.models import TelemetrySeries
from surefoot_server.telemetry.points import points
from surefoot_server.telemetry.repository import ms
from surefoot_shared.metrics import METRICS, kind_of

CHUNK = 2000
"""Devices asked of in one statement; SQLite takes 32,766 values and PostgreSQL plans long lists badly."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Which samples: of the component (or of the machine), from `since` to before `until`, on this release or not."""

    component: str
    since: datetime
    until: datetime
    on: str | None = None
    """Only samples of this digest; those of the machine carry none and belong to any."""
    other_than: str | None = None

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


def by_device(session: Session, metric: str, devices: Sequence[str], cut: Cut) -> dict[str, float]:
    """device → its figure over the span; those without samples are left out."""
    if cut.seconds <= 0:
        return {}
    found: dict[str, float] = {}
    for start in range(0, len(devices), CHUNK):
        found |= _chunk(session, metric, devices[start : start + CHUNK], cut)
    return found


def _chunk(session: Session, metric: str, devices: Sequence[str], cut: Cut) -> dict[str, float]:
    match kind_of(metric):
        case "counter":
            return _counters(session, metric, devices, cut)
        case "slope":
            return _slopes(session, METRICS[metric].of, devices, cut)
        case _:
            point = _points(session, metric, devices, cut)
            mean = sa.func.sum(point.c.n * point.c.mean) / sa.func.sum(point.c.n)
            rows = session.connection().execute(sa.select(point.c.key, mean).group_by(point.c.key))
            return {device: float(figure) for device, figure in rows}


def _slopes(session: Session, gauge: str, devices: Sequence[str], cut: Cut) -> dict[str, float]:
    point = _points(session, gauge, devices, cut)
    middle_ms = (ms(cut.since) + ms(cut.until)) // 2
    halves = []
    for mine in (point.c.at_ms < middle_ms, point.c.at_ms >= middle_ms):
        weight = sa.func.sum(sa.case((mine, point.c.n)))
        halves.append(sa.func.sum(sa.case((mine, point.c.n * point.c.mean))) / weight)
    rows = session.connection().execute(sa.select(point.c.key, *halves).group_by(point.c.key))
    between_h = cut.seconds / 2 / 3600
    return {device: (b - a) / between_h for device, a, b in rows if a is not None and b is not None}


def _counters(session: Session, metric: str, devices: Sequence[str], cut: Cut) -> dict[str, float]:
    point = _points(session, metric, devices, cut)
    before = sa.func.lag(point.c.last).over(partition_by=point.c.key, order_by=point.c.at_ms)
    step = sa.select(*point.c, before.label("before")).cte("step").c
    # A counter that fell began anew at zero: what it shows since then was counted since then.
    between = sa.case(
        (step.before.is_(None), 0.0), (step.first >= step.before, step.first - step.before), else_=step.first
    )
    query = sa.select(step.key, sa.func.sum(step.rise + between), sa.func.min(step.at_ms), sa.func.max(step.at_ms))
    return {
        device: float(total) * 1000 / (end - begin)
        for device, total, begin, end in session.connection().execute(query.group_by(step.key))
        if end > begin
    }


def _points(session: Session, metric: str, devices: Sequence[str], cut: Cut) -> sa.CTE:
    s = db.table_of(TelemetrySeries).c
    span = (sa.literal(ms(cut.since)).label("since"), sa.literal(ms(cut.until)).label("until"))
    query = sa.select(s.device_id.label("key"), s.id.label("series_id"), *span).where(
        s.name == metric, s.device_id.in_(devices), s.component.in_(("", cut.component))
    )
    if cut.on is not None:
        query = query.where(s.digest.in_(("", cut.on)))
    if cut.other_than is not None:
        query = query.where(s.digest != cut.other_than)
    return points(session, query.cte("those"), cut.until - cut.since)
