"""The verdicts of a rollout, and one with the numbers and plots that decided."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from surefoot_server.access.guard import require_session
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import frame, plots
from surefoot_server.paging import RowId
from surefoot_server.rollouts import repository, verdicts
from surefoot_server.state import state_of
from surefoot_shared.errors import NotFound

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ROLLOUT))]
LISTED = 100


@router.get("/rollouts/{rollout_id}/verdicts")
def newest(request: Request, who: Viewer, rollout_id: str) -> HTMLResponse:
    return _shown(request, who, rollout_id, None)


@router.get("/rollouts/{rollout_id}/verdicts/{verdict_id}")
def one(request: Request, who: Viewer, rollout_id: str, verdict_id: RowId) -> HTMLResponse:
    return _shown(request, who, rollout_id, verdict_id)


def _shown(request: Request, who: Principal, rollout_id: str, verdict_id: int | None) -> HTMLResponse:
    with state_of(request).db.read() as session:
        row = repository.rollout(session, rollout_id)
        listed = verdicts.read(session, rollout_id, LISTED)
        chosen = listed[:1] if verdict_id is None else verdicts.read(session, rollout_id, 1, verdict_id)
    if verdict_id is not None and not chosen:
        raise NotFound("not_found", f"Rollout {rollout_id} has no such verdict.")
    verdict = chosen[0] if chosen else None
    return frame.show(
        request,
        "verdict.html",
        who,
        rollout=row,
        listed=listed,
        verdict=verdict,
        rates=[(m, plots.of_rate(m)) for m in verdict.measures] if verdict else [],
        metrics=[(m, plots.of_metric(m)) for m in verdict.metrics] if verdict else [],
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )
