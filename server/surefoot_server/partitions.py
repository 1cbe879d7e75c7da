"""Raw telemetry on PostgreSQL: one partition a day, made before it is needed and dropped whole when it is old.

Promises: dropping a day costs no scan and leaves no dead rows; values outside every day lie in the rest partition and
are removed by their time. On SQLite all of this does nothing. The one place beside `db` with SQL of one database only.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import sqlalchemy as sa
from sqlmodel import Session

DAY_MS = 86_400_000
PARENT = "telemetry_sample"
REST = f"{PARENT}_rest"
AHEAD_DAYS = 2
BEHIND_DAYS = 15
"""Samples of devices that were offline are taken up to 14 days back."""


def used(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def prepare(session: Session, now: datetime) -> None:
    """Make the partitions that samples of now and of the last days may need."""
    if not used(session):
        return
    session.connection().execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x5F00_0003})
    today = _days(now)
    there, taken = _partitions(session), _days_of_rest(session)
    for day in range(today - BEHIND_DAYS, today + AHEAD_DAYS + 1):
        if day not in there and day not in taken:  # rows that already lie in the rest forbid a partition for them
            bounds = f"FROM ({day * DAY_MS}) TO ({(day + 1) * DAY_MS})"
            session.connection().exec_driver_sql(f"CREATE TABLE {_name(day)} PARTITION OF {PARENT} FOR VALUES {bounds}")


def drop_older(session: Session, before_ms: int) -> None:
    """Drop the days that ended before, and remove what is older from the rest."""
    if not used(session):
        return
    for day in sorted(_partitions(session)):
        if (day + 1) * DAY_MS <= before_ms:
            session.connection().exec_driver_sql(f"DROP TABLE {_name(day)}")
    session.connection().execute(sa.text(f"DELETE FROM {REST} WHERE at_ms < :before"), {"before": before_ms})  # noqa: S608


def _partitions(session: Session) -> set[int]:
    query = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:of AS regclass)")
    names = session.connection().execute(query, {"of": PARENT}).scalars()
    dates = [name.rpartition("_")[2] for name in names if name != REST]
    return {_days(datetime.strptime(text, "%Y%m%d").replace(tzinfo=timezone.utc)) for text in dates}


def _days_of_rest(session: Session) -> set[int]:
    query = sa.text(f"SELECT DISTINCT at_ms / {DAY_MS} FROM {REST}")  # noqa: S608 - constants
    return set(session.connection().execute(query).scalars())


def _days(at: datetime) -> int:
    return int(at.timestamp() * 1000) // DAY_MS


def _name(day: int) -> str:
    return f"{PARENT}_{datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(days=day):%Y%m%d}"
