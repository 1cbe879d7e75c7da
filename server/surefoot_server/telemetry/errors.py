"""Errors of devices, grouped: which release fails in which way on how many of them.

Promises: a group is a kind of `errors.KINDS` and a release; a device counts once in it; the newest message of a device
is its example, and untrusted text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.devices.models import Assignment
from surefoot_shared.status import Outcome

BAD = (Outcome.FAILED.value, Outcome.REVERTED.value, Outcome.LOST.value, Outcome.REFUSED.value)


@dataclass(frozen=True, slots=True)
class Group:
    release: str
    kind: str
    outcome: str
    devices: int
    last_at: datetime
    example_device: str
    example: str


def groups(session: Session, since: datetime, release: str = "") -> list[Group]:
    """Those of attempts that ended since then, the most devices first."""
    a = db.table_of(Assignment).c
    kind = sa.func.coalesce(a.reason, "")
    key = (a.release_id, kind, a.outcome)
    conditions = [a.outcome.in_(BAD), a.ended_at >= since, *([a.release_id == release] if release else [])]
    counted = sa.select(*key, sa.func.count(sa.distinct(a.device_id)), sa.func.max(a.ended_at))
    found = []
    for of, reason, outcome, devices, last_at in session.connection().execute(
        counted.where(*conditions).group_by(*key)
    ):
        mine = (a.release_id == of, kind == reason, a.outcome == outcome, *conditions)
        newest = sa.select(a.device_id, a.message).where(*mine).order_by(a.ended_at.desc()).limit(1)
        device, message = session.connection().execute(newest).one()
        found.append(Group(of, reason, outcome, devices, last_at, device, message))
    return sorted(found, key=lambda group: (-group.devices, group.release, group.kind))
