"""Statements that each look at a rollout asks, built once a process: to build one anew takes longer than to execute it.

Promises: what differs from one look to the next is a parameter; nothing of a rollout stays in a statement.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from surefoot_server.devices.models import STRAYED, UNTALLIED, Assignment, Device
from surefoot_server.rollouts.facts import NOT_A_TRY
from surefoot_server.rollouts.models import WAITING, Rollout, RolloutMember
from surefoot_shared.status import RolloutState

MEMBER, SATISFIED, EXCLUDED = "member", "satisfied", "excluded"
"""The standings of a device in a rollout."""
AT_WORK = frozenset({RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HELD, RolloutState.REVERTING})
"""A rollout in one of these has its devices for itself; a halted one leaves them to a release that mends it."""
CLAIMING = AT_WORK | {RolloutState.HALTED, RolloutState.SUCCEEDED}
"""A younger rollout in one of these is the newer word on its devices."""


@functools.cache
def to_look_at(awake: bool) -> sa.Select[Any]:
    """Rollouts about which something may be to decide; perhaps with the parameter awake_since."""
    unfinished = sa.select(col(Assignment.rollout_id)).where(sa.text("assignment.open"))
    news = [sa.select(col(Assignment.rollout_id)).where(sa.text(where)) for where in (STRAYED, UNTALLIED)]
    waiting = (
        sa.select(col(RolloutMember.rollout_id))
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .where(
            col(RolloutMember.rollout_id) == col(Rollout.id),
            sa.text("rollout_member.standing = 'member' AND rollout_member.assignment_id IS NULL"),
            col(Device.online).is_(True),
        )
    )
    if awake:
        waiting = waiting.where(col(Device.hello_at) >= sa.bindparam("awake_since"))
    query = sa.select(col(Rollout.id)).where(
        sa.or_(
            col(Rollout.state).in_(values(AT_WORK | {RolloutState.SCHEDULED})),
            col(Rollout.id).in_(unfinished),
            *(sa.and_(col(Rollout.state) == RolloutState.SUCCEEDED.value, col(Rollout.id).in_(new)) for new in news),
            sa.and_(col(Rollout.state) == RolloutState.SUCCEEDED.value, sa.exists(waiting)),
        )
    )
    return query.order_by(col(Rollout.number))


@functools.cache
def tried(which: str) -> sa.Select[Any]:
    """Devices of the parameter `rollout` of which an attempt is so."""
    return sa.select(col(Assignment.device_id)).where(
        col(Assignment.rollout_id) == sa.bindparam("rollout"), sa.text(which)
    )


@functools.cache
def waiting(awake: bool, components: int = 1) -> sa.Select[Any]:
    """Those whose turn is next. Parameters: rollout, open_phase, heard_since, most, `claims`; perhaps awake_since."""
    query = (
        sa.select(col(RolloutMember.device_id))
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .where(
            col(RolloutMember.rollout_id) == sa.bindparam("rollout"),
            sa.text(WAITING),
            col(RolloutMember.retry_at).is_(None),  # those are looked at in any case
            col(RolloutMember.phase) <= sa.bindparam("open_phase"),
            col(Device.online).is_(True),
            col(Device.revoked_at).is_(None),
            col(Device.last_seen_at) > sa.bindparam("heard_since"),
            ~claimed(components),
        )
        .order_by(col(RolloutMember.phase), col(RolloutMember.place))
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
    return query.where(col(Device.hello_at) >= sa.bindparam("awake_since")) if awake else query


@functools.cache
def free(components: int = 1) -> sa.Select[Any]:
    """One of a phase that was offered nothing and that nobody else has. Parameters: rollout, of_phase, `claims`."""
    return (
        sa.select(col(RolloutMember.device_id))
        .where(
            col(RolloutMember.rollout_id) == sa.bindparam("rollout"),
            sa.text(WAITING),
            col(RolloutMember.phase) == sa.bindparam("of_phase"),
            ~claimed(components),
        )
        .limit(1)
    )


@functools.cache
def gone() -> sa.Select[Any]:
    """Devices of a phase that have no attempt which says anything of the release. Parameters: rollout, of_phase."""
    return (
        sa.select(col(RolloutMember.device_id))
        .outerjoin(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(
            col(RolloutMember.rollout_id) == sa.bindparam("rollout"),
            col(RolloutMember.standing) == MEMBER,
            col(RolloutMember.phase) == sa.bindparam("of_phase"),
            col(Assignment.id).is_(None) | col(Assignment.outcome).in_(sorted(outcome.value for outcome in NOT_A_TRY)),
        )
    )


def claims(row: Rollout) -> dict[str, Any]:
    """The parameters of `claimed`."""
    asked: dict[str, Any] = {"claimed_number": row.number}
    for place, component in enumerate(row.components):
        asked |= {f"claimed_component_{place}": component, f"claimed_named_{place}": named(component)}
    return asked


def named(component: str) -> str:
    """How a rollout's row names the component of a companion, as a pattern of LIKE."""
    return f'%"component": "{component.replace("_", "/_")}"%'


def orders(which: Any, component: Any, pattern: Any) -> sa.ColumnElement[bool]:
    """Whether a rollout orders something for the component, by itself or in a set."""
    return sa.or_(
        col(which.component) == component, sa.cast(col(which.companions), sa.String).like(pattern, escape="/")
    )


@functools.cache
def claimed(components: int = 1) -> sa.ColumnElement[bool]:
    """Whether a younger rollout wants something else of a member: of a set, of any of so many components."""
    other, theirs = aliased(RolloutMember), aliased(Rollout)
    any_of_it = (
        orders(theirs, sa.bindparam(f"claimed_component_{place}"), sa.bindparam(f"claimed_named_{place}"))
        for place in range(components)
    )
    return sa.exists(
        sa.select(col(theirs.id))
        .join(other, col(other.rollout_id) == col(theirs.id))
        .where(
            col(other.device_id) == col(RolloutMember.device_id),
            col(other.standing) == MEMBER,
            sa.or_(*any_of_it),
            col(theirs.number) > sa.bindparam("claimed_number"),
            col(theirs.state).in_(values(CLAIMING)),
        )
    )


def values(states: Collection[RolloutState]) -> list[str]:
    return sorted(state.value for state in states)
