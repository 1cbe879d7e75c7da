"""Errors of devices, grouped: which release fails in which way on how many of them.

Promises: a group is a kind of `errors.KINDS` and a release; a device counts once in it; the newest message of a device
is its example, and untrusted text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

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
    of, outcome, ended_at = col(Assignment.release_id), col(Assignment.outcome), col(Assignment.ended_at)
    kind = sa.func.coalesce(col(Assignment.reason), "")
    conditions = [outcome.in_(BAD), ended_at >= since, *([of == release] if release else [])]
    counted = select(of, kind, outcome, sa.func.count(sa.distinct(col(Assignment.device_id))))
    found = []
    for row in session.exec(counted.where(*conditions).group_by(of, kind, outcome)):
        mine = (of == row[0], kind == row[1], outcome == row[2], *conditions)
        newest = select(ended_at, Assignment.device_id, Assignment.message).where(*mine)
        found.append(Group(*row, *session.exec(newest.order_by(ended_at.desc()).limit(1)).one()))
    return sorted(found, key=lambda group: (-group.devices, group.release, group.kind))
