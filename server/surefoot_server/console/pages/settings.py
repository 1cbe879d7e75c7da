"""Settings: people and their roles, tokens, until when keys signed, hooks, webhooks, policies with their windows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access import service as access
from surefoot_server.access import users
from surefoot_server.access.guard import require_session
from surefoot_server.access.roles import Grant, Principal, Role, Scope
from surefoot_server.console import frame, webhooks
from surefoot_server.console.navigation import Entry
from surefoot_server.feedback import repository as feedback
from surefoot_server.feedback.hooks import Act, Made, Order
from surefoot_server.languages.catalogue import N_
from surefoot_server.policies import service as policies
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
ENTRY = Entry("/settings", N_("Settings"), "settings", "s")
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(require_session(Role.ADMIN))]
Name = Annotated[str, Form(min_length=1, max_length=64)]
Password = Annotated[str, Form(max_length=256)]
ScopeText = Annotated[str, Form(max_length=80)]
HOUR_S, DAY_S = 3600.0, 86_400.0


@router.get("/settings")
def settings(request: Request, who: Viewer) -> HTMLResponse:
    return _page(request, who)


@router.post("/settings/users")
def create_user(
    request: Request,
    who: Admin,
    name: Name,
    password: Password,
    role: Annotated[Role, Form()],
    scope: ScopeText = "fleet",
) -> Response:
    with state_of(request).db.write() as session:
        users.create(session, name, password, [Grant(Scope.parse(scope), role)], who.name, db.utc_now())
    return _back("people")


@router.post("/settings/users/{name}/grant")
def grant(
    request: Request, name: str, who: Admin, role: Annotated[Role, Form()], scope: ScopeText = "fleet"
) -> Response:
    """Give a role in a scope, instead of the one that the person had there."""
    with state_of(request).db.write() as session:
        users.grant(session, name, Grant(Scope.parse(scope), role), who.name, db.utc_now())
    return _back("people")


@router.post("/settings/users/{name}/withdraw")
def withdraw(request: Request, name: str, who: Admin, scope: ScopeText) -> Response:
    with state_of(request).db.write() as session:
        users.withdraw(session, name, Scope.parse(scope), who.name, db.utc_now())
    return _back("people")


@router.post("/settings/users/{name}/disable")
def disable(request: Request, name: str, who: Admin) -> Response:
    with state_of(request).db.write() as session:
        users.disable(session, name, who.name, db.utc_now())
    return _back("people")


@router.post("/settings/users/{name}/enable")
def enable(request: Request, name: str, who: Admin) -> Response:
    with state_of(request).db.write() as session:
        users.enable(session, name, who.name, db.utc_now())
    return _back("people")


@router.post("/settings/tokens", status_code=201)
def create_token(
    request: Request,
    who: Admin,
    name: Annotated[str, Form(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")],
    role: Annotated[Role, Form()],
    scope: ScopeText = "fleet",
    days: Annotated[float, Form(gt=0, le=365)] = 90.0,
) -> HTMLResponse:
    """Make a token; its text is on the page that answers, and nowhere else."""
    scopes, now = [Scope.parse(scope)], db.utc_now()
    with state_of(request).db.write() as session:
        users.check_scope(session, scopes[0])
        _, text = access.create_token(session, name, role, who.name, now, days * DAY_S, scopes, who.person)
    return _page(request, who, made=text, status=201)


@router.post("/settings/tokens/{token_id}/revoke")
def revoke_token(request: Request, token_id: str, who: Admin) -> Response:
    with state_of(request).db.write() as session:
        access.revoke_token(session, token_id, who.name, db.utc_now())
    return _back("tokens")


@router.post("/settings/hooks", status_code=201)
def create_hook(
    request: Request,
    who: Operator,
    name: Annotated[str, Form(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")],
    act: Annotated[Act, Form()],
    about: Annotated[str, Form(min_length=1, max_length=100)],
    days: Annotated[float, Form(gt=0, le=365)] = 90.0,
) -> HTMLResponse:
    """Make an address whose calls are signed; its secret is on the page that answers, and nowhere else."""
    release, rollout = (about, None) if "/" in about else (None, about)
    order = Order(name, act, release, rollout, days * DAY_S, signed=True)
    made = state_of(request).hooks.create(order, who.name, db.utc_now())
    return _page(request, who, hook=made, status=201)


@router.post("/settings/hooks/{hook_id}/rotate", status_code=201)
def rotate_hook(
    request: Request, hook_id: str, who: Operator, hours: Annotated[float, Form(ge=0, le=720)] = 24.0
) -> HTMLResponse:
    """Give it another secret; it is on the page that answers, and nowhere else."""
    made = state_of(request).hooks.rotate(hook_id, hours * HOUR_S, "", who.name, db.utc_now())
    return _page(request, who, hook=made, status=201)


@router.post("/settings/hooks/{hook_id}/revoke")
def revoke_hook(request: Request, hook_id: str, who: Operator) -> Response:
    state_of(request).hooks.revoke(hook_id, who.name, db.utc_now())
    return _back("hooks")


def _page(
    request: Request, who: Principal, made: str = "", status: int = 200, hook: Made | None = None
) -> HTMLResponse:
    state, admin = state_of(request), who.role.includes(Role.ADMIN)
    with state.db.read() as session:
        people = [(row, users.grants(session, row.id)) for row in users.users(session)] if admin else []
        tokens = access.tokens(session) if admin else []
        hooks, saved, told = feedback.hooks(session), policies.saved(session), webhooks.read(session)
    return frame.show(
        request,
        "settings.html",
        who,
        status=status,
        made=made,
        hook=hook,
        acts=[act.value for act in Act],
        people=people,
        tokens=tokens,
        hooks=hooks,
        webhooks=told,
        policies=saved,
        signatures=state.online.signatures(),
        roles=[role.value for role in Role],
    )


def _back(part: str) -> RedirectResponse:
    return RedirectResponse(f"/settings#{part}", 303)
