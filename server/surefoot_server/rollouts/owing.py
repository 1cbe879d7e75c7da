"""Who is still to be ordered back in a rollout that is taken back, and who has nothing to go back to.

Promises: reads an index of those alone that were offered the release and not ordered back, in the order of their turn,
so each look is cheaper than the one before; what a set's other members ran is asked of each device by itself and never
of the whole fleet. Refuses to decide.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.rollouts import joined, queries, repository
from surefoot_server.rollouts.models import NOT_SENT_BACK, Rollout, RolloutMember
from surefoot_shared.status import Outcome

HAS_IT = (Outcome.COMMITTED.value, Outcome.LOST.value)
"""Ends of an attempt after which a device has the release, or may have it."""
LEFT = " AND ".join(f"rollout_member.{term}" for term in NOT_SENT_BACK.split(" AND "))
"""In the words of the index, which a database does not recognise behind a parameter."""


def devices(session: Session, row: Rollout, most: int) -> list[str]:
    """Those that have it, or may have it, and were not sent back: the connected ones first, each by its turn."""
    found: list[str] = []
    for online in (True, False):
        query = _to_go_back(session, row, online=online).limit(most - len(found))
        found += session.connection().scalars(query, queries.claims(row))
        if len(found) >= most:
            break
    return found


def count_awake(session: Session, row: Rollout) -> int:
    """How many of them are connected."""
    query = _owing(session, row).where(col(Device.online).is_(True)).with_only_columns(sa.func.count())
    return session.connection().scalar(query, queries.claims(row)) or 0


def count_kept(session: Session, row: Rollout) -> int:
    """How many run the release and cannot go back: nothing known ran before, or nothing that they may go back to."""
    return session.connection().scalar(_keeping(session, row)) or 0


def _to_go_back(session: Session, row: Rollout, *, online: bool) -> sa.Select[Any]:
    """Their ids, by their turn. Parameters: `queries.claims`."""
    query = _owing(session, row).where(col(Device.online).is_(online))
    return query.order_by(col(RolloutMember.phase), col(RolloutMember.place))


def _keeping(session: Session, row: Rollout) -> sa.Select[Any]:
    """Their number."""
    before = col(Assignment.previous_release_id)
    return (
        _left(row, [sa.func.count()])
        .join(DeviceComponent, _part(row))
        .where(
            col(DeviceComponent.digest) == row.digest,
            before.is_(None) | before.in_(_never(session, row)) | _parted(session, row),
        )
    )


def _owing(session: Session, row: Rollout) -> sa.Select[Any]:
    before = col(Assignment.previous_release_id)
    return (
        _left(row, [col(RolloutMember.device_id)])
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .outerjoin(DeviceComponent, _part(row))
        .where(
            col(Assignment.outcome).in_(HAS_IT) | (col(DeviceComponent.digest) == row.digest),
            before.is_not(None),
            before.not_in(_never(session, row)),
            ~_parted(session, row),
            col(Device.revoked_at).is_(None),
            ~queries.claimed(len(row.components)),
        )
    )


def _left(row: Rollout, columns: list[Any]) -> sa.Select[Any]:
    query = sa.select(*columns).select_from(RolloutMember)
    query = query.join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
    return query.where(col(RolloutMember.rollout_id) == row.id, sa.text(LEFT))


def _never(session: Session, row: Rollout) -> list[str]:
    """Releases that nobody goes back to: its own, and those that are barred."""
    return [*row.releases, *repository.barred(session, row)]


def _parted(session: Session, row: Rollout) -> sa.ColumnElement[bool]:
    """A companion of it could not go back, so its set cannot."""
    never = _never(session, row) if row.companions else []
    return sa.or_(sa.false(), *(joined.is_stuck(component, never) for component in row.components[1:]))


def _part(row: Rollout) -> sa.ColumnElement[bool]:
    return sa.and_(
        col(DeviceComponent.device_id) == col(RolloutMember.device_id), col(DeviceComponent.component) == row.component
    )
