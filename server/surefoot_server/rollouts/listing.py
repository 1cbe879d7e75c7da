"""Rollouts as a list shows them: where each stands, by counts alone.

Promises: the same numbers as the view of one rollout, from its counters and from indexes that hold what a count is of;
no member is loaded, so a page costs the same whatever the size of the fleet. Refuses to say how each phase stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlmodel import Session, col, select

from surefoot_server.rollouts import counting, halting, looking, repository, stages, tally
from surefoot_server.rollouts.acts import waiting_for_approval
from surefoot_server.rollouts.models import LEFT_OUT, Rollout, RolloutMember, RolloutPhase
from surefoot_server.rollouts.table import RolloutEvent, acts_in
from surefoot_shared.status import ROLLOUT_ENDED, Outcome, RolloutState


class RolloutLine(BaseModel):
    """`outcomes` counts the members by how their attempt ended; `acts` is what may be done to it now."""

    id: str
    release: str
    also: list[str]
    """Releases that are ordered with it as one set."""
    component: str
    cohort: str
    expression: str
    state: str
    ended: bool
    reason: str
    phase: int
    version: int
    members: int
    satisfied: int
    excluded: int
    outcomes: dict[str, int]
    waiting: int
    taken_back: int
    committed_devices: str
    halted: bool
    halted_by: str | None
    """Another rollout that put this release on the halt list."""
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    acts: list[str]


def lines(session: Session, rows: Sequence[Rollout], unsigned: Mapping[str, str]) -> list[RolloutLine]:
    """A line for each, in the order given; `unsigned`: component → why no order of it can be signed now, or ""."""
    ids = [row.id for row in rows]
    phases, aside = _phases(session, ids), left_out(session, ids)
    found = []
    for row in rows:
        counted, halted_by = counting.counted(session, row), halting.halted_by(session, row)
        outcomes, reverts = tally.outcomes(counted), tally.outcomes(counted, reverts=True)
        found.append(
            RolloutLine(
                **said(
                    row, phases[row.id], halted_by, next(filter(None, (unsigned.get(c) for c in row.components)), "")
                ),
                members=sum(phase.members for phase in phases[row.id]),
                satisfied=aside.get((row.id, repository.SATISFIED), 0),
                excluded=aside.get((row.id, repository.EXCLUDED), 0),
                outcomes={outcome.value: count for outcome, count in outcomes.items()},
                waiting=looking.count_waiting(session, row),
                taken_back=reverts.get(Outcome.COMMITTED, 0),
            )
        )
    return found


def said(row: Rollout, phases: Sequence[RolloutPhase], halted_by: str | None, unsigned: str) -> dict[str, Any]:
    """What needs no count."""
    return {
        "id": row.id,
        "release": row.release_id,
        "also": row.releases[1:],
        "component": row.component,
        "cohort": row.cohort,
        "expression": row.expression,
        "state": row.state,
        "ended": RolloutState(row.state) in ROLLOUT_ENDED,
        "reason": _reason(row, halted_by, unsigned),
        "phase": row.phase,
        "version": row.version,
        "committed_devices": row.committed_devices,
        "halted": row.halts_digest,
        "halted_by": halted_by,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "ended_at": row.ended_at,
        "acts": _acts(row, phases),
    }


def _acts(row: Rollout, phases: Sequence[RolloutPhase]) -> list[str]:
    """What the table allows; approve and reject only where something waits for them, and then nothing goes round it."""
    asked = waiting_for_approval(RolloutState(row.state), row.phase, phases) is not None
    out = {RolloutEvent.RESUME} if asked else {RolloutEvent.APPROVE, RolloutEvent.REJECT}
    if row.state == RolloutState.REVERTING.value and not stages.read(row).held:
        out |= {RolloutEvent.RESUME}
    return [act.value for act in acts_in(RolloutState(row.state)) if act not in out]


def _reason(row: Rollout, halted_by: str | None, unsigned: str) -> str:
    if RolloutState(row.state) in ROLLOUT_ENDED or not (halted_by or unsigned):
        return row.reason
    because = f"the server cannot sign orders, so no device gets one: {unsigned}"
    if halted_by is not None:
        because = f"rollout {halted_by} put {row.named} on the halt list, so no device installs it"
    return f"{row.reason}; {because}" if row.reason else because


def _phases(session: Session, ids: Sequence[str]) -> Mapping[str, list[RolloutPhase]]:
    found: dict[str, list[RolloutPhase]] = defaultdict(list)
    query = select(RolloutPhase).where(col(RolloutPhase.rollout_id).in_(ids))
    for row in session.exec(query.order_by(RolloutPhase.rollout_id, col(RolloutPhase.index))):
        found[row.rollout_id].append(row)
    return found


def left_out(session: Session, ids: Sequence[str]) -> Mapping[tuple[str, str], int]:
    """(rollout, standing) → devices that are no members."""
    key = (col(RolloutMember.rollout_id), col(RolloutMember.standing))
    query = sa.select(*key, sa.func.count()).where(key[0].in_(ids), sa.text(LEFT_OUT)).group_by(*key)
    return {(row[0], row[1]): row[2] for row in session.connection().execute(query)}
