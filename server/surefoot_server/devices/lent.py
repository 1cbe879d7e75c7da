"""What is lent of a rate that several devices share: the ledger is in their assignments.

Promises: a part counts as lent until its lease has ended, or until its device has fetched everything, whichever is
first; works in the caller's transaction, and on PostgreSQL two that lend at once do so one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from surefoot_server.devices import sets
from surefoot_server.devices.leave import Leave, Rates, Share
from surefoot_server.devices.models import Assignment, Device
from surefoot_shared.status import AttemptState

LOCK = 0x5F00_0006
DELIVERY = timedelta(seconds=10)
"""A lease begins when it arrives, which is later than it was made."""
FETCHING = (AttemptState.OFFERED, AttemptState.CHECKING, AttemptState.DOWNLOADING)
SITE = "site"
"""The attribute of a device whose equals share a site's rate."""


def shared(session: Session, rates: Rates, row: Assignment, site: str, now: datetime) -> list[Share]:
    """The rates that the device of this assignment shares, with what others have of each."""
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    return [_share(session, row, total, among, now) for total, among in _pools(session, rates, row, site)]


def note(session: Session, row: Assignment, given: Leave, now: datetime) -> None:
    """Write down what is lent from now on; it takes the place of what the device had."""
    row.lent_bytes_per_s = given.rate_bytes_per_s
    row.lent_until = now + timedelta(seconds=given.valid_s) + DELIVERY
    session.add(row)
    session.flush()


def _pools(session: Session, rates: Rates, row: Assignment, site: str) -> Iterator[tuple[int, sa.ColumnElement[bool]]]:
    if rates.fleet_bytes_per_s:
        yield rates.fleet_bytes_per_s, sa.true()
    if rates.site_bytes_per_s and site:
        yield rates.site_bytes_per_s, col(Device.attributes)[SITE].as_string() == site
    leading = row if row.rollout_id or row.joint is None else sets.leading(session, row)
    if row.pool_bytes_per_s and leading is not None and leading.rollout_id:
        yield row.pool_bytes_per_s, _of_rollout(leading.rollout_id)


def _of_rollout(rollout_id: str) -> sa.ColumnElement[bool]:
    """What it ordered, and what goes with that as one set."""
    led = aliased(Assignment)
    same_set = col(led.joint)["id"].as_string() == col(Assignment.joint)["id"].as_string()
    joined = sa.exists().where(
        col(led.device_id) == col(Assignment.device_id), col(led.rollout_id) == rollout_id, same_set
    )
    return sa.or_(
        col(Assignment.rollout_id) == rollout_id,
        sa.and_(col(Assignment.rollout_id).is_(None), col(Assignment.joint).is_not(None), joined),
    )


def _share(session: Session, row: Assignment, total: int, among: sa.ColumnElement[bool], now: datetime) -> Share:
    lent = sa.and_(col(Assignment.id) != row.id, col(Assignment.lent_until) > now)
    query = (
        sa.select(
            sa.func.count(col(Assignment.device_id).distinct()),
            sa.func.coalesce(sa.func.sum(sa.case((lent, col(Assignment.lent_bytes_per_s)), else_=0)), 0),
        )
        .join(Device, col(Device.id) == col(Assignment.device_id))
        .where(sa.text("open"), col(Assignment.state).in_([state.value for state in FETCHING]), among)
    )
    sharers, others = session.connection().execute(query).one()
    return Share(total, sharers, int(others))
