"""The permission of every route: `require(Role.X)` for people and programs, `open_route(reason)` where none can be
asked.

Promises: a route without one of the two fails the test that walks all routes. A request is judged by its bearer token
alone; the console's cookie counts on console pages only, so no other page can make a browser call the API; a form that
another site sent is refused before anything else, whatever cookie came with it. A role counts over the
whole fleet unless the route says what it is about (`Over`); then whoever has it there passes, and sees nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.access import service, sessions
from surefoot_server.access.reach import Over, reach_of, shown
from surefoot_server.access.roles import FLEET, Principal, Role, highest
from surefoot_server.audit import service as audit
from surefoot_server.devices.models import Device
from surefoot_server.state import ServerState, state_of
from surefoot_shared.errors import NotAllowed

COOKIE = "surefoot_session"
REFUSED = "access.refused"
SAFE = frozenset({"GET", "HEAD"})
HELD = {
    Role.VIEWER: ("viewer over {}", "viewer over fleet"),
    Role.OPERATOR: ("operator over {}", "operator over fleet"),
    Role.RELEASER: ("releaser over {}", "releaser over fleet"),
    Role.ADMIN: ("admin over {}", "admin over fleet"),
}
"""Texts of their own for each role: within a sentence `admin` alone may as well be somebody's name."""
NEEDED = {
    Role.VIEWER: ("this needs viewer", "this needs viewer over the fleet"),
    Role.OPERATOR: ("this needs operator", "this needs operator over the fleet"),
    Role.RELEASER: ("this needs releaser", "this needs releaser over the fleet"),
    Role.ADMIN: ("this needs admin", "this needs admin over the fleet"),
}


@dataclass(frozen=True, slots=True)
class Permission:
    """Stands on a dependency: what is enforced, what the test walks, what docs/reference/permissions.md says."""

    role: Role | None
    reason: str = ""
    over: Over = Over.FLEET


def require(role: Role, over: Over = Over.FLEET) -> Callable[[Request], Awaitable[Principal]]:
    """Dependency: the bearer token's holder, who must have the role over what the route is about."""

    def of_token(request: Request, session: Session) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = ""
        return service.principal_of(session, token.strip(), db.utc_now())

    return _checked(of_token, Permission(role, over=over))


class SignInNeeded(NotAllowed):
    """A person must sign in: console pages lead to the form instead of showing a problem document."""


def require_session(role: Role, over: Over = Over.FLEET) -> Callable[[Request], Awaitable[Principal]]:
    """Dependency of console pages: the holder of the session cookie, who must have the role."""

    def of_session(request: Request, session: Session) -> Principal:
        if request.method not in SAFE:
            own_form(request)
        state, secret, now = state_of(request), request.cookies.get(COOKIE, ""), db.utc_now()
        try:
            principal = sessions.principal_of_session(session, secret, now, state.settings.session_idle_s)
        except NotAllowed as error:
            raise SignInNeeded(error.kind, error.message, error.hint) from error
        sessions.seen(state.db, secret, now)
        return principal

    return _checked(of_session, Permission(role, over=over))


def _checked(
    who: Callable[[Request, Session], Principal], permission: Permission
) -> Callable[[Request], Awaitable[Principal]]:
    def judge(request: Request) -> Principal:
        state = state_of(request)
        with state.db.read(whole=True) as session:
            principal = who(request, session)
            try:
                return _judged(session, request, principal, permission)
            except NotAllowed as error:
                refused = error
                known = audit.noted_lately(session, REFUSED, _object(principal), db.utc_now())
        if not known:
            _note(state, request, principal, refused)
        raise refused

    async def check(request: Request) -> Principal:
        principal = await run_in_threadpool(judge, request)
        # Set here and not in the thread: the route runs in a copy of this context.
        db.ONLY.set(shown(principal.reach) if principal.reach is not None else ())
        return principal

    check.permission = permission  # type: ignore[attr-defined]  # read by the test that walks routes
    return check


def open_route(reason: str) -> Callable[[], None]:
    """Dependency of a route that asks for no token, with the reason why that is right."""

    def check() -> None:
        return None

    check.permission = Permission(None, reason)  # type: ignore[attr-defined]  # read by the test that walks routes
    return check


def require_lease(request: Request) -> str:
    """Dependency of downloads: the id of the device whose lease token this is."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAllowed("lease_expired", "A lease token is needed.")
    state = state_of(request)
    return _in_fleet(state, state.leases.check(token.strip(), db.utc_now()))


require_lease.permission = Permission(None, "the lease token is the permission")  # type: ignore[attr-defined]


def require_device(request: Request) -> str:
    """Dependency of what a device fetches for itself: the id of the device that earned the token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAllowed("not_signed_in", "A device's token is needed.")
    state = state_of(request)
    return _in_fleet(state, state.tokens.check(token.strip(), db.utc_now()))


require_device.permission = Permission(None, "the device's token is the permission")  # type: ignore[attr-defined]


def _in_fleet(state: ServerState, device_id: str) -> str:
    """A token outlives its device's revocation; what it opens must not."""
    with state.db.read() as session:
        device = session.get(Device, device_id)
    if device is None or device.revoked_at is not None:
        raise NotAllowed("not_allowed", f"{device_id} is no device of this fleet any more.")
    return device_id


def own_form(request: Request) -> None:
    """Raise NotAllowed where a page of another site sent this; SameSite=Strict does so in browsers that know it."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    own = {request.headers.get("host", ""), urlsplit(state_of(request).settings.console_url).netloc} - {""}
    if site not in ("same-origin", "none") or (origin and urlsplit(origin).netloc not in own):
        raise NotAllowed("not_allowed", "Another site sent this form.", "Open the console itself and do it there.")


def elsewhere(who: Principal, over: Over, thing: str) -> NotAllowed:
    """The same words whether the thing exists or not: who may not see it learns nothing."""
    return NotAllowed("not_allowed", f"{who.name} has no role over {over.value} {thing[:100]!r} that allows this.")


def _judged(session: Session, request: Request, principal: Principal, permission: Permission) -> Principal:
    role, over = permission.role or Role.VIEWER, permission.over
    fleet = principal.over_fleet()
    if fleet is not None and fleet.includes(role):
        return replace(principal, role=fleet)
    grants = [g for g in principal.held() if g.role.includes(role)]
    if over is Over.FLEET or not grants:
        raise _lacking(principal, role, over)
    if over in (Over.ANYWHERE, Over.ORDER):
        return replace(principal, role=highest(g.role for g in grants) or role, reach=reach_of(session, grants))
    thing = _named(request, over)
    for higher in reversed(Role):
        reach = reach_of(session, [g for g in grants if g.role.includes(higher)]) if higher.includes(role) else None
        if reach is not None and thing in reach.of(over):
            return replace(principal, role=higher, reach=reach)
    raise elsewhere(principal, over, thing)


def _note(state: ServerState, request: Request, who: Principal, refused: NotAllowed) -> None:
    """Audit what somebody tried, once an hour for each."""
    route = getattr(request.scope.get("route"), "path", "")
    detail = {"route": f"{request.method} {route}", "reason": refused.message}
    with state.db.write() as session:
        audit.record_seldom(session, who.name, REFUSED, _object(who), detail, db.utc_now())


def _object(who: Principal) -> str:
    return f"token:{who.token_id}" if who.token_id else f"user:{who.name}"


def _named(request: Request, over: Over) -> str:
    """The thing in the route's path; a route that names none is for nobody with a role in a scope."""
    given = request.path_params
    match over:
        case Over.DEVICE:
            return str(given.get("device_id", ""))
        case Over.ROLLOUT:
            return str(given.get("rollout_id", ""))
        case Over.RELEASE:
            return f"{given.get('component', '')}/{given.get('version', '')}"
        case Over.DRILL:
            return str(given.get("drill_id", ""))
        case Over.SCHEDULE:
            return str(given.get("schedule_id", ""))
        case _:
            return str(given.get("name", ""))


def _lacking(who: Principal, role: Role, over: Over) -> NotAllowed:
    has = ", ".join(HELD[g.role][g.scope == FLEET].format(g.scope) for g in who.held())
    anywhere, everywhere = NEEDED[role]
    return NotAllowed("not_allowed", f"{who.name} is {has}; {everywhere if over is Over.FLEET else anywhere}.")
