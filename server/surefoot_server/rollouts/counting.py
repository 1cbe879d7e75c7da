"""Ended attempts, counted: a rollout's counters are brought up to date, and read as they would be.

Promises: the counters equal a recount; they change in the write transaction of the caller, with the marks that say what
of an attempt was counted. Refuses to decide.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import UNTALLIED, Assignment
from surefoot_server.rollouts import queries, repository, tally
from surefoot_server.rollouts.models import Rollout, RolloutMember, RolloutPhase
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.tally import Ended
from surefoot_shared.status import Intent, Outcome

NEWS = ("id", "phase", "intent", "outcome", "ended_at", "tallied", "tallied_at")
"""What counting needs of an assignment."""


def uncounted(session: Session, rollout_id: str) -> bool:
    """Whether an attempt ended, or was corrected, that no counter has yet."""
    return session.connection().scalar(queries.uncounted(), {"rollout": rollout_id}) is not None


def settle(session: Session, row: Rollout, policy: Policy) -> int:
    """Count what ended, or was corrected, since the last time; returns how many. The caller owns the rollout.

    Where devices switch a few at a time, each that ended renews the phase's wait: nobody else can be faster.
    """
    news = session.connection().execute(_news().where(col(Assignment.rollout_id) == row.id)).all()
    if not news:
        return 0
    phases = repository.phases(session, row.id)
    begun, whole = [p.began_at for p in phases], dict(row.tally)
    counters = [dict(p.tally) for p in phases]
    _count(news, whole, counters, begun)
    if policy.orders_switch and row.phase < len(phases) and (since := phases[row.phase].waiting_since):
        phases[row.phase].waiting_since = max([since, *(new.ended_at for new in news if new.ended_at)])
    _store(session, row, phases, whole, counters)
    _mark(session, [(new.id, new.outcome, new.ended_at) for new in news])
    return len(news)


def counted(session: Session, row: Rollout) -> dict[str, int]:
    """The counters of the whole rollout as they would be once all was counted; see `tally.outcomes`."""
    whole = dict(row.tally)
    _count(session.connection().execute(_news().where(col(Assignment.rollout_id) == row.id)), whole, [], [])
    return whole


def _count(
    news: Iterable[sa.Row[Any]],
    whole: dict[str, int],
    counters: Sequence[dict[str, int]],
    begun: Sequence[datetime | None],
) -> None:
    for new in news:
        if new.id not in (new.assignment_id, new.revert_assignment_id):
            continue  # offered again since: that attempt speaks for nobody any more
        revert = new.intent == Intent.REVERT.value
        if new.tallied:
            was = Ended(new.phase or 0, Outcome(new.tallied), new.tallied_at, revert)
            tally.count(whole, counters, begun, was, -1)
        tally.count(whole, counters, begun, Ended(new.phase or 0, Outcome(new.outcome), new.ended_at, revert), 1)


def forget(session: Session, row: Rollout, assignments: Iterable[Assignment]) -> None:
    """Take attempts out of the counters whose members have their turn again, or leave the rollout."""
    phases = repository.phases(session, row.id)
    begun, whole = [p.began_at for p in phases], dict(row.tally)
    counters = [dict(p.tally) for p in phases]
    for gone in assignments:
        if gone.tallied:
            revert = gone.intent == Intent.REVERT.value
            was = Ended(gone.phase or 0, Outcome(gone.tallied), gone.tallied_at, revert)
            tally.count(whole, counters, begun, was, -1)
    _store(session, row, phases, whole, counters)


def _store(
    session: Session,
    row: Rollout,
    phases: Sequence[RolloutPhase],
    whole: dict[str, int],
    counters: Sequence[dict[str, int]],
) -> None:
    row.tally = whole
    for phase, counted in zip(phases, counters, strict=True):
        if counted != phase.tally:
            phase.tally = counted
        session.add(phase)
    session.add(row)


def _mark(session: Session, counted: Sequence[tuple[str, str, datetime | None]]) -> None:
    statement = (
        sa.update(Assignment)
        .where(col(Assignment.id) == sa.bindparam("key"))
        .values(tallied=sa.bindparam("said"), tallied_at=sa.bindparam("at"))
    )
    session.flush()
    values = [{"key": key, "said": outcome, "at": at} for key, outcome, at in counted]
    session.connection().execute(statement, values)
    session.expire_all()  # what was read before holds the old marks


@functools.cache
def _news() -> sa.Select[Any]:
    columns: list[sa.ColumnElement[Any]] = [
        *(getattr(RolloutMember, name) for name in ("assignment_id", "revert_assignment_id")),
        *(getattr(Assignment, name) for name in NEWS),
    ]
    return (
        sa.select(*columns)
        .join(
            RolloutMember,
            sa.and_(
                col(RolloutMember.rollout_id) == Assignment.rollout_id,
                col(RolloutMember.device_id) == Assignment.device_id,
            ),
        )
        .where(sa.text(UNTALLIED))
    )
