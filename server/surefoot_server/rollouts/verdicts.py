"""Every verdict of a rollout with the numbers it rests on, over HTTP: what a console draws and a person argues with.

Promises: what is shown is what was stored when it was decided; nothing is computed anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlmodel import Session, col, select

from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.models import RolloutDecision
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/rollouts", tags=["rollouts"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ROLLOUT))]
JUDGED = ("take_look", "pass_phase", "hold_phase", "fail_phase")
"""Decisions that carry a finding."""


class VerdictOut(BaseModel):
    """`counts`, `measures` (outcomes) and `metrics` as the judge left them; `look` is 0 where outcomes alone decided.

    A metric's `canary` and `control` hold 21 quantiles each, evenly spaced from the least device to the greatest.
    """

    id: int
    at: datetime
    phase: int
    name: str
    decision: str
    verdict: str
    reason: str
    look: int
    looks: int
    needed: int
    counts: dict[str, Any]
    measures: list[dict[str, Any]]
    metrics: list[dict[str, Any]]


@router.get("/{rollout_id}/verdicts")
def verdicts(
    request: Request,
    rollout_id: str,
    _who: Viewer,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[VerdictOut]:
    """What was judged, the newest first, each with its numbers."""
    with state_of(request).db.read() as session:
        return read(session, rollout_id, limit)


def read(session: Session, rollout_id: str, limit: int, only: int | None = None) -> list[VerdictOut]:
    """Verdicts of a rollout, the newest first, or the one of an id."""
    repository.rollout(session, rollout_id)
    names = {p.index: p.name for p in repository.phases(session, rollout_id)}
    query = select(RolloutDecision).where(
        RolloutDecision.rollout_id == rollout_id, col(RolloutDecision.kind).in_(JUDGED)
    )
    if only is not None:
        query = query.where(RolloutDecision.id == only)
    rows = session.exec(query.order_by(col(RolloutDecision.id).desc()).limit(limit))
    return [_out(row, names) for row in rows]


def _out(row: RolloutDecision, names: dict[int, str]) -> VerdictOut:
    found = row.detail.get("finding", {})
    metrics = found.get("metrics", [])
    index = row.phase or 0
    return VerdictOut(
        id=row.id or 0,
        at=row.at,
        phase=index,
        name=names.get(index, str(index)),
        decision=row.kind,
        verdict=found.get("verdict", ""),
        reason=row.reason,
        look=max((m["look"] for m in metrics), default=0),
        looks=max((m["looks"] for m in metrics), default=0),
        needed=found.get("needed", 0),
        counts=found.get("counts", {}),
        measures=found.get("measures", []),
        metrics=metrics,
    )
