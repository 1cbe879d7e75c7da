"""What the server does by the clock whatever else it does: tick rollouts, refresh metadata, forget what is old.

Promises: only the elected leader does it; a job that fails says so and comes again (`clock.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from surefoot_server import db, partitions
from surefoot_server.audit.checkpoints import Checkpoints
from surefoot_server.clock import Clock
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.gateway import Gateway
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.leader import Leader
from surefoot_server.rollouts.service import RolloutService
from surefoot_server.telemetry import repository as telemetry
from surefoot_server.telemetry import rollups
from surefoot_server.telemetry.models import TelemetryFiveMinutes, TelemetryHour

REFRESH_S = 60.0
RETENTION_S = 600.0
PARTITIONS_S = 6 * 3600.0
ROLLUP_S = 30.0
FIVE_MINUTES_KEPT = timedelta(days=30)
"""Longer than any bake with its past; beyond it hours are enough."""


def make_clock(
    settings: Settings,
    database: Database,
    online: OnlineRepository,
    gateway: Gateway,
    rollouts: RolloutService,
    leader: Leader,
    checkpoints: Checkpoints,
) -> Clock:
    """A clock with the ticks of rollouts and what keeps metadata fresh and tables small; the caller starts it."""

    def tick() -> None:
        rollouts.tick(db.utc_now(), reachable=gateway.stats().connected)

    def refresh() -> None:
        if online.refresh(db.utc_now()):
            rollouts.sync_halts(db.utc_now(), again=True)
            gateway.publish_trust(replace(online.hint(), audit=checkpoints.newest()))

    def make_room() -> None:
        with database.write() as session:
            partitions.prepare(session, db.utc_now())

    clock = Clock(leader.leads)
    clock.every(settings.tick_s, "tick", tick)
    clock.every(REFRESH_S, "refresh", refresh)
    clock.every(RETENTION_S, "retention", lambda: retire(database, settings, db.utc_now()))
    clock.every(PARTITIONS_S, "partitions", make_room)
    clock.every(ROLLUP_S, "rollups", lambda: rollups.roll_up(database, db.utc_now()))
    return clock


def retire(database: Database, settings: Settings, now: datetime) -> None:
    """Let go of samples and rollups that are older than the settings keep them, a bounded number at a time."""
    before = now - timedelta(hours=settings.telemetry_keep_h)
    left: int | None = 0
    while left is not None:
        with database.write() as session:
            left = telemetry.delete_older(session, before, left)
    kept = timedelta(hours=settings.rollup_keep_h)
    with database.write() as session:
        rollups.delete_older(session, TelemetryFiveMinutes, now - min(kept, FIVE_MINUTES_KEPT))
        rollups.delete_older(session, TelemetryHour, now - kept)
