"""One device: what its slots hold, why it stands where it does, what it tried, measures and answers, and what to do."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import device as shown
from surefoot_server.console import frame, measures
from surefoot_server.console.pages.devices import Tags, listed
from surefoot_server.devices import tagging
from surefoot_server.feedback.models import Flag
from surefoot_server.paging import RowId
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid, NotFound
from surefoot_shared.messages import RequestKind

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.DEVICE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.DEVICE))]
Admin = Annotated[Principal, Depends(require_session(Role.ADMIN, Over.DEVICE))]
Reason = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("/devices/{device_id}")
def device(
    request: Request,
    device_id: str,
    who: Viewer,
    metric: Annotated[str, Query(max_length=80)] = "",
    hours: Annotated[int, Query(ge=1, le=168)] = 6,
) -> HTMLResponse:
    state, now = state_of(request), db.utc_now()
    with state.db.read() as session:
        page = shown.read(session, device_id, lambda part: state.rollouts.why(session, device_id, part, now), now)
        metric = shown.chosen(page.values, metric)
        drawn = shown.drawn(session, device_id, metric, hours, now) if metric else None
    say = frame.language_of(request)
    return frame.show(
        request,
        "device.html",
        who,
        page=page,
        metric=metric,
        hours=hours,
        choices=shown.HOURS,
        chart=drawn,
        measured=lambda value, name: measures.measured(say, value, name),
    )


@router.post("/devices/{device_id}/acknowledge")
def acknowledge(request: Request, device_id: str, who: Operator) -> Response:
    """A person has looked at what the device needs attention for."""
    frame.own_form(request)
    state = state_of(request)
    with state.db.write() as session:
        state.devices.acknowledge(session, device_id, who.name, db.utc_now())
    return _back(device_id)


@router.post("/devices/{device_id}/tags")
def tag(request: Request, device_id: str, who: Operator, tags: Tags = "") -> Response:
    frame.own_form(request)
    state, chosen = state_of(request), listed(tags)
    if chosen:
        tagging.check(chosen, ())
    with state.db.write() as session:
        state.devices.set_tags(session, device_id, chosen, who.name, db.utc_now())
    return _back(device_id)


@router.post("/devices/{device_id}/flag")
def flag(request: Request, device_id: str, who: Operator, reason: Reason) -> Response:
    """Say that something is wrong with the device: it counts against the releases that it runs."""
    frame.own_form(request)
    state_of(request).feedback.flag_device(device_id, reason, who.name, "operator", db.utc_now())
    return _back(device_id, "flags")


@router.post("/devices/{device_id}/flags/{flag_id}/withdraw")
def withdraw(request: Request, device_id: str, flag_id: RowId, who: Operator) -> Response:
    """Take back a flag of this device."""
    frame.own_form(request)
    state = state_of(request)
    with state.db.read() as session:
        flag = session.get(Flag, flag_id)
    if flag is None or flag.device_id != device_id:
        raise NotFound("not_found", f"{device_id} has no flag {flag_id}.")
    state.feedback.withdraw_flag(flag_id, who.name, db.utc_now())
    return _back(device_id, "flags")


@router.post("/devices/{device_id}/ask")
def ask(
    request: Request,
    device_id: str,
    who: Operator,
    kind: Annotated[RequestKind, Form()],
    lines: Annotated[int, Form(ge=1, le=5000)] = 200,
) -> Response:
    """Ask the device for its log, a diagnosis or its doctor; the answer appears on its page once it came."""
    frame.own_form(request)
    state = state_of(request)
    with state.db.write() as session:
        wire = state.devices.request(session, device_id, kind, lines, who.name, db.utc_now())
    state.downlink.request(device_id, wire)
    return _back(device_id, "answers")


@router.post("/devices/{device_id}/revoke")
def revoke(
    request: Request, device_id: str, who: Admin, confirmed: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """Shut the device out for good; the form asks for its name, since no rollout brings it back."""
    frame.own_form(request)
    state = state_of(request)
    if confirmed.strip() != device_id:
        raise Invalid(
            "malformed", "The name that was typed is not the device's: nothing was done.", "Go back, and type it again."
        )
    with state.db.write() as session:
        state.devices.revoke(session, device_id, who.name, db.utc_now())
    state.deny()
    return _back(device_id)


def _back(device_id: str, part: str = "") -> RedirectResponse:
    return RedirectResponse(f"/devices/{quote(device_id, safe='')}" + (f"#{part}" if part else ""), 303)
