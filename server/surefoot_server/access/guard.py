"""The permission of every route: `require(Role.X)` for people and programs, `open_route(reason)` where none can be
asked.

Promises: a route without one of the two fails the test that walks all routes. A request is judged by its bearer token
alone; the console's cookie counts on console pages only, so no other page can make a browser call the API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from surefoot_server import db
from surefoot_server.access import service
from surefoot_server.access.roles import Principal, Role
from surefoot_server.devices.models import Device
from surefoot_server.state import ServerState, state_of
from surefoot_shared.errors import NotAllowed

COOKIE = "surefoot_session"


@dataclass(frozen=True, slots=True)
class Permission:
    """Stands on a dependency, for the test that walks routes."""

    role: Role | None
    reason: str = ""


def require(role: Role) -> Callable[[Request], Principal]:
    """Dependency: the bearer token's holder, who must have the role."""

    def check(request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = ""
        state = state_of(request)
        with state.db.read() as session:
            principal = service.principal_of(session, token.strip(), db.utc_now())
        return _judged(principal, role)

    check.permission = Permission(role)  # type: ignore[attr-defined]  # read by the test that walks routes
    return check


class SignInNeeded(NotAllowed):
    """A person must sign in: console pages lead to the form instead of showing a problem document."""


def require_session(role: Role) -> Callable[[Request], Principal]:
    """Dependency of console pages: the holder of the session cookie, who must have the role."""

    def check(request: Request) -> Principal:
        state = state_of(request)
        try:
            with state.db.read() as session:
                principal = service.principal_of_session(session, request.cookies.get(COOKIE, ""), db.utc_now())
        except NotAllowed as error:
            raise SignInNeeded(error.kind, error.message, error.hint) from error
        return _judged(principal, role)

    check.permission = Permission(role)  # type: ignore[attr-defined]  # read by the test that walks routes
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


def _judged(principal: Principal, role: Role) -> Principal:
    if not principal.role.includes(role):
        raise NotAllowed(
            "not_allowed", f"The token {principal.name!r} is a {principal.role.value}'s; this needs {role.value}."
        )
    return principal
