"""Rollouts and attempts for Prometheus: what a dashboard draws and an alert waits for.

Promises: label sets stay bounded: rollouts leave a week after their end, and reasons are kinds of ours, never text of a
device; no label names a device. Everything is read when asked, so that every server of a fleet says the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version

import sqlalchemy as sa
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.devices.models import Assignment, Device
from surefoot_server.rollouts.models import Rollout, RolloutPhase
from surefoot_shared.errors import KINDS

SHOWN_FOR = timedelta(days=7)
AGES_S = (60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400)
VERDICTS = {"pass": 1.0, "hold": -1.0, "fail": 0.0}


def collect(session: Session, now: datetime) -> Iterator[Metric]:
    yield InfoMetricFamily("surefoot_build", "The server.", value={"version": version("surefoot")})
    yield _last_seen(session, now)
    rollouts = db.table_of(Rollout)
    shown = sa.select(rollouts).where(rollouts.c.ended_at.is_(None) | (rollouts.c.ended_at >= now - SHOWN_FOR))
    rows = session.connection().execute(shown).all()
    info = GaugeMetricFamily(
        "surefoot_rollout_info", "1 for each rollout of the last week.", labels=["rollout", "release", "state"]
    )
    stage = GaugeMetricFamily("surefoot_rollout_phase", "Index of the current phase.", labels=["rollout"])
    for row in rows:
        info.add_metric([row.id, row.release_id, row.state], 1)
        stage.add_metric([row.id], row.phase)
    ids = [row.id for row in rows]
    yield from (info, stage, _gates(session, ids), _attempts(session, ids))


def _last_seen(session: Session, now: datetime) -> Metric:
    """How long ago devices were heard; those never heard are in the last bucket alone."""
    seen = db.table_of(Device).c.last_seen_at
    columns = [sa.func.count(sa.case((seen >= now - timedelta(seconds=age), 1))) for age in AGES_S]
    alive = db.table_of(Device).c.revoked_at.is_(None)
    *counts, everybody = session.connection().execute(sa.select(*columns, sa.func.count()).where(alive)).one()
    buckets = [(str(float(age)), float(count)) for age, count in zip(AGES_S, counts, strict=True)]
    family = HistogramMetricFamily("surefoot_device_last_seen_seconds", "Devices by the age of their last word.")
    family.add_metric([], [*buckets, ("+Inf", float(everybody))], sum_value=None)
    return family


def _gates(session: Session, ids: list[str]) -> Metric:
    p = db.table_of(RolloutPhase).c
    family = GaugeMetricFamily(
        "surefoot_gate_result", "Newest verdict of a phase: 1 pass, 0 fail, -1 hold.", labels=["rollout", "phase"]
    )
    query = sa.select(p.rollout_id, p.name, p.verdict).where(p.rollout_id.in_(ids), p.verdict.is_not(None))
    for rollout, phase, verdict in session.connection().execute(query):
        if verdict in VERDICTS:
            family.add_metric([rollout, phase], VERDICTS[verdict])
    return family


def _attempts(session: Session, ids: list[str]) -> Metric:
    a = db.table_of(Assignment).c
    key = (a.rollout_id, a.phase, a.outcome, a.reason)
    family = CounterMetricFamily(
        "surefoot_update_attempts", "Attempts that ended.", labels=["rollout", "phase", "outcome", "reason"]
    )
    query = sa.select(*key, sa.func.count()).where(a.rollout_id.in_(ids), a.outcome.is_not(None)).group_by(*key)
    for rollout, phase, outcome, reason, count in session.connection().execute(query):
        known = reason if reason in KINDS else "" if not reason else "other"
        family.add_metric([rollout, str(phase if phase is not None else ""), outcome, known], count)
    return family
