"""Tell people in time that offline metadata expires: one audit row and one line of log for each file and step.

What was said is read from the audit trail, so a restart says nothing twice. `/healthz`, `/metrics` and the console show
what stands for as long as it stands; only what has expired makes the server unwell.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.keys.expiry import Alarm, alarms, days_left

log = logging.getLogger(__name__)
ACTION = "keys.expiring"
ACTOR = "server"


class KeyAlarms:
    """`expiring` is `OnlineRepository.expiring`."""

    def __init__(self, database: Database, expiring: Callable[[], Mapping[str, datetime]]) -> None:
        self._database, self._expiring = database, expiring

    def check(self, now: datetime) -> tuple[Alarm, ...]:
        """Record what was not said yet; return it."""
        standing = alarms(self._expiring(), now)
        if not standing:
            return ()
        with self._database.write() as session:
            fresh = []
            for alarm in standing:
                said = {row.detail.get("step") for row in audit.entries(session, alarm.file) if row.action == ACTION}
                if alarm.step not in said:
                    detail = {"step": alarm.step, "days_left": alarm.days_left, "expires": alarm.expires.isoformat()}
                    audit.record(session, ACTOR, ACTION, alarm.file, detail, now)
                    fresh.append(alarm)
        for alarm in fresh:
            log.warning("metadata_expires file=%r days_left=%s", alarm.file, alarm.days_left)
        return tuple(fresh)

    def warnings(self, now: datetime) -> list[str]:
        """One sentence for each file that expires soon or has expired."""
        return [alarm.sentence for alarm in alarms(self._expiring(), now)]

    def problems(self, now: datetime) -> list[str]:
        """One sentence for each file that has expired: the fleet can install nothing any more."""
        return [alarm.sentence for alarm in alarms(self._expiring(), now) if alarm.step == 0]

    def days_left(self, now: datetime) -> dict[str, float]:
        """Days by file without its version, so that the series of a metric goes on when it is signed again."""
        return {file.rpartition(" ")[0]: days_left(expires, now) for file, expires in self._expiring().items()}
