"""Releases: how well signed, made of what, in which channels, where they run; promote, flag, advise, take back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.orders import check_channel, check_release
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.channels import service as promotion
from surefoot_server.console import frame, measures
from surefoot_server.console import releases as shown
from surefoot_server.console.navigation import Entry
from surefoot_server.findings import service as findings
from surefoot_server.findings.bill import LIMIT_BYTES
from surefoot_server.languages.catalogue import N_
from surefoot_server.paging import RowId
from surefoot_server.releases import repository
from surefoot_server.rollouts.triggers import Do
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
ENTRY = Entry("/releases", N_("Releases"), "releases", "e")
Anywhere = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.RELEASE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR))]
Promoter = Annotated[Principal, Depends(require_session(Role.RELEASER, Over.ORDER))]
Reason = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("/releases")
def releases(request: Request, who: Anywhere, component: Annotated[str, Query(max_length=32)] = "") -> HTMLResponse:
    state = state_of(request)
    with state.db.read() as session:
        lines = shown.lines(session, state.online, component)
        components = repository.components(session)
    signatures = {signed.role.removeprefix("rel-"): signed for signed in state.online.signatures()}
    return frame.show(
        request,
        "releases.html",
        who,
        lines=lines,
        component=component,
        components=components,
        signatures=signatures,
    )


@router.get("/releases/{component}/{version}")
def release(request: Request, component: str, version: str, who: Viewer) -> HTMLResponse:
    state, say = state_of(request), frame.language_of(request)
    asked = shown.Asked(f"{component}/{version}", who.person or who.name, db.utc_now(), state.builders.judge)
    with state.db.read() as session, state.db.read(whole=True) as whole:
        page = shown.read(session, whole, state.online, asked)
    return frame.show(request, "release.html", who, page=page, size=lambda count: measures.size(say, count))


@router.get("/releases/{component}/{version}/documents/{kind}")
def document(request: Request, component: str, version: str, kind: str, _who: Viewer) -> Response:
    """The bill of materials or the provenance statement, as a file."""
    state = state_of(request)
    with state.db.read() as session:
        row = findings.stored(session, f"{component}/{version}", kind)
    headers = {"Content-Disposition": f'attachment; filename="{component}-{version}.{row.kind}.json"'}
    return Response(state.blobs.read(row.sha256, 0, LIMIT_BYTES), media_type="application/json", headers=headers)


@router.post("/releases/{component}/{version}/promote")
def promote(
    request: Request,
    component: str,
    version: str,
    who: Promoter,
    channel: Annotated[str, Form(max_length=64)],
) -> Response:
    """Put the release into the channel; refused with the first requirement that is not met."""
    frame.own_form(request)
    check_release(who, f"{component}/{version}")
    check_channel(who, channel)
    state, person = state_of(request), who.person or who.name
    with state.db.write() as session:
        judge = state.builders.judge
        promotion.promote(session, channel, f"{component}/{version}", person, db.utc_now(), judge=judge)
    return _back(component, version)


@router.post("/releases/{component}/{version}/flag")
def flag(request: Request, component: str, version: str, who: Operator, reason: Reason) -> Response:
    frame.own_form(request)
    state_of(request).feedback.flag_release(f"{component}/{version}", reason, who.name, "operator", db.utc_now())
    return _back(component, version)


@router.post("/releases/{component}/{version}/flags/{flag_id}/withdraw")
def withdraw_flag(request: Request, component: str, version: str, flag_id: RowId, who: Operator) -> Response:
    frame.own_form(request)
    state_of(request).feedback.withdraw_flag(flag_id, who.name, db.utc_now())
    return _back(component, version)


@router.post("/releases/{component}/{version}/advisory")
def advise(
    request: Request,
    component: str,
    version: str,
    who: Operator,
    reason: Reason,
    do: Annotated[Do, Form()] = Do.HALT,
    reference: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Stop the release's rollouts and name who runs it."""
    frame.own_form(request)
    state_of(request).feedback.advise(f"{component}/{version}", do, reason, reference, who.name, db.utc_now())
    return _back(component, version)


@router.post("/releases/{component}/{version}/advisories/{advisory_id}/withdraw")
def withdraw_advisory(request: Request, component: str, version: str, advisory_id: RowId, who: Operator) -> Response:
    frame.own_form(request)
    state_of(request).feedback.withdraw_advisory(advisory_id, who.name, db.utc_now())
    return _back(component, version)


def _back(component: str, version: str) -> RedirectResponse:
    return RedirectResponse(f"/releases/{component}/{version}", 303)
