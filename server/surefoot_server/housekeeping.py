"""What the server does by the clock whatever else it does: tick rollouts, refresh metadata, forget what is old.

Promises: only the elected leader does what is not said to be done everywhere; a job that fails says so and comes again
(`clock.py`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from surefoot_server import db, partitions
from surefoot_server.audit.checkpoints import EVERY_S as CHECKPOINT_S
from surefoot_server.clock import Clock
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.ground import Ground
from surefoot_server.line import Line
from surefoot_server.pki.crl import REFRESH_S as CRL_S
from surefoot_server.services import Services
from surefoot_server.telemetry import repository as telemetry
from surefoot_server.telemetry import rollups
from surefoot_server.telemetry.models import TelemetryFiveMinutes, TelemetryHour

log = logging.getLogger(__name__)
REFRESH_S = 60.0
RETENTION_S = 600.0
PARTITIONS_S = 6 * 3600.0
ROLLUP_S = 30.0
SWEEP_S = 30.0
"""How often deadlines are looked at; a flag or an advisory is at once."""
DRILLS_S = 5.0
"""How soon a device of a drill gets its next order; the times are the devices' own."""
ALARMS_S = 3600.0
AGAIN_S = 30.0
"""How soon devices are told what could not be signed, once it can be."""
OBJECTS_S = 15.0
PACKS_S = 10.0
"""Between two packs; making one takes minutes."""
FIVE_MINUTES_KEPT = timedelta(days=30)
"""Longer than any bake with its past; beyond it hours are enough."""


class Housekeeping:
    """The jobs of one server."""

    def __init__(self, ground: Ground, line: Line, services: Services) -> None:
        self._ground, self._line, self._services = ground, line, services
        self._settings, self._db = ground.settings, ground.database

    def clock(self) -> Clock:
        """A clock with every job; the caller starts it."""
        clock = Clock(self._services.leader.leads)
        self._decide(clock)
        self._keep_trust(clock)
        self._keep_room(clock)
        clock.every(PACKS_S, "packs", self._line.packs.work)
        if objects := self._ground.objects:
            clock.every(OBJECTS_S, "object-storage", lambda: objects.copy(self._ground.blobs))
        return clock

    def say_halts(self) -> None:
        """Tell the fleet what the database says, not what was signed last; where that fails the first tick tries."""
        try:
            self._services.rollouts.sync_halts(db.utc_now(), again=True)
        except OSError as error:
            log.error("halt_list_not_written error=%s", error)

    def note_audit(self) -> None:
        """Sign how far the audit trail has come, and have devices witness it."""
        self._ground.checkpoints.make(db.utc_now())
        self._publish_trust()

    def keep_out(self) -> None:
        """Tell the broker whom it must not let in."""
        self._line.broker.shut_out(self._ground.shut_out())

    def _decide(self, clock: Clock) -> None:
        services = self._services

        def tick() -> None:
            services.rollouts.tick(db.utc_now(), reachable=self._line.gateway.stats().connected)

        clock.every(self._settings.tick_s, "tick", tick)
        clock.every(SWEEP_S, "triggers", lambda: services.feedback.sweep(db.utc_now()))
        clock.every(DRILLS_S, "drills", lambda: services.drills.sweep(db.utc_now()))

    def _keep_trust(self, clock: Clock) -> None:
        clock.every(REFRESH_S, "refresh", self._refresh)
        clock.every(ALARMS_S, "alarms", lambda: self._services.alarms.check(db.utc_now()), everywhere=True)
        clock.every(REFRESH_S, "builders", lambda: self._services.roster.note(db.utc_now()))
        clock.every(CHECKPOINT_S, "audit-checkpoint", self.note_audit)
        clock.every(AGAIN_S, "unsigned", self._line.delivery.again, everywhere=True)
        clock.every(CRL_S, "revocation-list", self.keep_out, everywhere=True)

    def _keep_room(self, clock: Clock) -> None:
        services = self._services
        clock.every(RETENTION_S, "retention", lambda: retire(self._db, self._settings, db.utc_now()))
        clock.every(PARTITIONS_S, "partitions", self._make_room)
        clock.every(ROLLUP_S, "rollups", lambda: rollups.roll_up(self._db, db.utc_now()))
        clock.every(RETENTION_S, "feed", self._ground.feed.forget_old)
        clock.every(RETENTION_S, "notify", lambda: services.notify.forget_old(db.utc_now()))
        clock.every(RETENTION_S, "hooks", lambda: services.hooks.forget_old(db.utc_now()))

    def _refresh(self) -> None:
        if self._ground.online.refresh(db.utc_now()):
            self._services.rollouts.sync_halts(db.utc_now(), again=True)
            self._publish_trust()

    def _publish_trust(self) -> None:
        hint = replace(self._ground.online.hint(), audit=self._ground.checkpoints.newest())
        self._line.gateway.publish_trust(hint)

    def _make_room(self) -> None:
        with self._db.write() as session:
            partitions.prepare(session, db.utc_now())


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
