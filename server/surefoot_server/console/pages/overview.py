"""The first page: how the fleet stands, in one sentence and what it is made of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.orders import check_device
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import fleet, frame, versions
from surefoot_server.console.concerns import Warned
from surefoot_server.console.navigation import HOME
from surefoot_server.findings import service as findings
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.ORDER))]
ENTRY = HOME


@router.get("/")
def overview(request: Request, who: Viewer, component: Annotated[str, Query(max_length=32)] = "") -> HTMLResponse:
    state, say, now = state_of(request), frame.language_of(request), db.utc_now()
    with state.db.read() as session:
        known = findings.concerns(session, now) if who.reach is not None else state.findings()
        found = fleet.read(session, say, Warned(state.warnings(), known), now)
        return frame.show(
            request,
            "overview.html",
            who,
            fleet=found,
            sentence=fleet.sentence(say, found),
            versions=versions.read(session, now, component),
            components=versions.components(session),
        )


@router.post("/acknowledge")
def acknowledge(request: Request, device: Annotated[str, Form(max_length=64)], who: Operator) -> Response:
    """A person has looked at what the device needs attention for."""
    check_device(who, device)
    state = state_of(request)
    with state.db.write() as session:
        state.devices.acknowledge(session, device, who.name, db.utc_now())
    return RedirectResponse("/", 303)
