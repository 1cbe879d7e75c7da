"""The devices of a rollout, each with its reason: those that hold it up, and all that it knows.

Promises: what is read is bounded, whatever the size of the fleet, and what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import Assignment
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.models import RolloutMember
from surefoot_server.rollouts.views import RolloutOut

LATE = 8
ROWS = 200
STANDINGS = (repository.SATISFIED, repository.EXCLUDED)


@dataclass(frozen=True, slots=True)
class Row:
    device: str
    hw: str
    phase: int | None
    word: str
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """`counts`: word → devices, of all of the rollout; `rows` are at most ROWS of those asked for."""

    rows: tuple[Row, ...]
    total: int
    counts: tuple[tuple[str, int], ...]


def late(session: Session, out: RolloutOut) -> Found | None:
    """Members of the phases so far whose attempt has no outcome yet; None where it is over."""
    if out.ended:
        return None
    query = _query(out.id).where(
        col(RolloutMember.standing) == repository.MEMBER,
        col(RolloutMember.phase) <= out.phase,
        col(Assignment.outcome).is_(None),
    )
    total = session.connection().execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
    return Found(_rows(session, query.limit(LATE)), total, ()) if total else None


def members(session: Session, rollout_id: str, only: str) -> Found:
    """Everybody, or those of one word: an outcome, a standing, or `waiting` and `at work`."""
    word = _word()
    tally = (
        sa.select(word.label("word"), sa.func.count().label("devices"))
        .select_from(RolloutMember)
        .outerjoin(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(col(RolloutMember.rollout_id) == rollout_id)
        .group_by(sa.text("word"))
        .order_by(sa.text("devices DESC"))
    )
    counts = tuple((row.word, row.devices) for row in session.connection().execute(tally))
    query = _query(rollout_id)
    if only:
        query = query.where(word == only)
    total = sum(n for name, n in counts if not only or name == only)
    return Found(_rows(session, query.limit(ROWS)), total, counts)


def _word() -> sa.Case[str]:
    """One word for how a member stands."""
    standing = col(RolloutMember.standing)
    return sa.case(
        (standing.in_(STANDINGS), standing),
        (col(RolloutMember.assignment_id).is_(None), "waiting"),
        else_=sa.func.coalesce(col(Assignment.outcome), "busy"),
    )


def _query(rollout_id: str) -> Any:
    return (
        sa.select(
            col(RolloutMember.device_id),
            col(RolloutMember.hw),
            col(RolloutMember.phase),
            _word().label("word"),
            col(RolloutMember.reason).label("placed"),
            col(Assignment.state),
            col(Assignment.reason).label("because"),
            col(Assignment.message),
        )
        .select_from(RolloutMember)
        .outerjoin(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(col(RolloutMember.rollout_id) == rollout_id)
        .order_by(col(RolloutMember.phase), col(RolloutMember.device_id))
    )


def _rows(session: Session, query: Any) -> tuple[Row, ...]:
    return tuple(_row(read) for read in session.connection().execute(query))


def _row(read: sa.Row[Any]) -> Row:
    word = read.state if read.word == "busy" and read.state else read.word
    why: Sequence[str | None] = (read.because, read.message) if read.state else (read.placed,)
    return Row(read.device_id, read.hw, read.phase, word, ": ".join(part for part in why if part))
