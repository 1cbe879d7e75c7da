"""The console: one page that needs no script, and the form that signs a person in with an API token.

Promises: the session cookie is HttpOnly and SameSite=Strict and opens console pages only; every text a device sent is
escaped; the content policy allows this server's own style sheet and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from surefoot_server import db
from surefoot_server.access import service as access
from surefoot_server.access.guard import COOKIE, open_route, require_session
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import page
from surefoot_server.state import state_of
from surefoot_shared.errors import NotAllowed

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR))]
SignIn = Annotated[None, Depends(open_route("the form that asks for the token"))]
Style = Annotated[None, Depends(open_route("the same for everybody"))]
REFRESH_S = 5
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STATIC = Path(__file__).parent / "static"
TEMPLATES = Environment(
    loader=PackageLoader("surefoot_server.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["tone"] = page.tone


@router.get("/")
def fleet(
    request: Request,
    who: Viewer,
    q: Annotated[str, Query(max_length=200)] = "",
    live: bool = True,
) -> HTMLResponse:
    state = state_of(request)
    with state.db.read() as session:
        seen = page.read(session, q, db.utc_now())
    may_act = who.role.includes(Role.OPERATOR)
    return _html(
        "fleet.html",
        page=seen,
        q=q,
        live=live,
        refresh_s=REFRESH_S,
        who=who,
        may_act=may_act,
        warnings=state.warnings(),
    )


@router.get("/sign-in")
def sign_in_form(_open: SignIn) -> HTMLResponse:
    return _html("sign_in.html", problem="")


@router.post("/sign-in")
def sign_in(request: Request, token: Annotated[str, Form(max_length=200)], _open: SignIn) -> Response:
    _own_form(request)
    state, now = state_of(request), db.utc_now()
    try:
        with state.db.write() as session:
            principal = access.principal_of(session, token.strip(), now)
            secret = access.open_session(session, principal, now, state.settings.session_valid_s)
    except NotAllowed as error:
        return _html("sign_in.html", 401, problem=error.message)
    response = RedirectResponse("/", 303)
    response.set_cookie(
        COOKIE, secret, max_age=int(state.settings.session_valid_s), httponly=True, samesite="strict", path="/"
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, _who: Viewer) -> Response:
    with state_of(request).db.write() as session:
        access.close_session(session, request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.post("/acknowledge")
def acknowledge(request: Request, device: Annotated[str, Form(max_length=64)], who: Operator) -> Response:
    """A person has looked at what the device needs attention for; the cookie is SameSite=Strict besides."""
    _own_form(request)
    state = state_of(request)
    with state.db.write() as session:
        state.devices.acknowledge(session, device, who.name, db.utc_now())
    return RedirectResponse("/", 303)


@router.get("/static/console.css")
def style(_open: Style) -> FileResponse:
    return FileResponse(STATIC / "console.css", media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/favicon.ico")
def icon(_open: Style) -> FileResponse:
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


async def to_sign_in(_request: Request, _error: Exception) -> Response:
    return RedirectResponse("/sign-in", 303)


def _own_form(request: Request) -> None:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("not_allowed", "Another site sent this form.", "Open the console itself and do it there.")


def _html(template: str, status: int = 200, **values: object) -> HTMLResponse:
    text = TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(text, status, headers={"Content-Security-Policy": POLICY})
