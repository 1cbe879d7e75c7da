"""How many members of each phase stand where, counted by the database: no member is loaded, whatever the fleet's size.

Promises: the numbers that reading everybody would give; the exception are sets, of which an attempt is as far as all
its components are, which no count of rows tells. Refuses to say what of that matters.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from surefoot_server.devices.models import Assignment, Device
from surefoot_server.rollouts import queries
from surefoot_server.rollouts.models import WAITING, Rollout, RolloutMember
from surefoot_shared.status import Outcome


@dataclass
class Heads:
    """Devices of one phase. `waiting`: offered nothing yet, of which `away` are not connected."""

    offered: int = 0
    waiting: int = 0
    away: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)


def of_phases(session: Session, row: Rollout, phases: int, heard_since: datetime) -> Mapping[int, Heads]:
    """Phase → its members; `heard_since`: who was not heard since then is away, whatever the broker said."""
    found = {index: Heads() for index in range(phases)}
    asked: dict[str, Any] = {"rollout": row.id}
    for phase, outcome, count in session.connection().execute(_tried(), asked):
        heads = found.setdefault(phase or 0, Heads())
        heads.offered += count
        if outcome is not None:
            heads.outcomes[Outcome(outcome)] = count
    asked |= {"heard_since": heard_since, **queries.claims(row)}
    for phase, online, count in session.connection().execute(_waiting(len(row.components)), asked):
        heads = found.setdefault(phase or 0, Heads())
        heads.waiting += count
        heads.away += 0 if online else count
    return found


def gone_back(session: Session, row: Rollout) -> int:
    """Members that were ordered back, and are back."""
    return session.connection().scalar(_gone_back(), {"rollout": row.id}) or 0


def _mine() -> tuple[sa.ColumnElement[bool], ...]:
    return col(RolloutMember.rollout_id) == sa.bindparam("rollout"), col(RolloutMember.standing) == queries.MEMBER


@functools.cache
def _tried() -> sa.Select[Any]:
    key: tuple[Any, ...] = (col(RolloutMember.phase), col(Assignment.outcome))
    query = sa.select(*key, sa.func.count()).select_from(RolloutMember)
    return query.join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id)).where(*_mine()).group_by(*key)


@functools.cache
def _waiting(components: int) -> sa.Select[Any]:
    online = sa.and_(
        col(Device.online).is_(True),
        col(Device.last_seen_at) > sa.bindparam("heard_since"),
        col(Device.revoked_at).is_(None),
    )
    key: tuple[Any, ...] = (col(RolloutMember.phase), sa.case((online, 1), else_=0).label("awake"))
    query = sa.select(*key, sa.func.count()).select_from(RolloutMember)
    query = query.join(Device, col(Device.id) == col(RolloutMember.device_id))
    return query.where(*_mine(), sa.text(WAITING), ~queries.claimed(components)).group_by(key[0], sa.text("awake"))


@functools.cache
def _gone_back() -> sa.Select[Any]:
    back = aliased(Assignment)
    query = sa.select(sa.func.count()).select_from(RolloutMember)
    query = query.join(back, col(back.id) == col(RolloutMember.revert_assignment_id))
    return query.where(*_mine(), col(back.outcome) == Outcome.COMMITTED.value)
