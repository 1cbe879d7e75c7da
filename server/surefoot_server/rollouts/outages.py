"""When the engine could not watch: its clock is marked, and a gap in it becomes an outage for which timers stand still.

Promises: works in the caller's transaction; how long an outage lasted is known to within MARK_EVERY_S.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from surefoot_server.rollouts.facts import Outages
from surefoot_server.rollouts.models import EngineClock, Outage

OUTAGE_FROM_S = 30.0
"""A gap between two looks that is longer was no slow tick: the server stood still, or could not be reached."""
MARK_EVERY_S = 5.0
"""How often the engine's clock is written: seldom enough for a quiet disk, often enough to bound an outage's start."""
KEEP_OUTAGES = timedelta(days=60)
"""Longer than any timer of a policy is likely to run."""


def mark_look(session: Session, now: datetime) -> float:
    """Note that the engine looks now; a long gap since its last look becomes an outage. Returns its seconds."""
    clock = session.get(EngineClock, 1) or EngineClock(id=1, ticked_at=now)
    gap_s = (now - clock.ticked_at).total_seconds()
    if gap_s >= OUTAGE_FROM_S:
        session.add(Outage(began_at=clock.ticked_at, ended_at=now, cause="the server did not run or was cut off"))
    clock.ticked_at = now
    session.add(clock)
    session.flush()
    return gap_s if gap_s >= OUTAGE_FROM_S else 0.0


def last_look(session: Session) -> datetime | None:
    clock = session.get(EngineClock, 1)
    return clock.ticked_at if clock else None


def read(session: Session, now: datetime) -> Outages:
    rows = session.exec(_ENDED_SINCE, params={"since": now - KEEP_OUTAGES})
    return Outages(tuple((row.began_at, row.ended_at) for row in rows))


_ENDED_SINCE = select(Outage).where(col(Outage.ended_at) >= bindparam("since"))
"""Built once: every look of the engine asks it."""
