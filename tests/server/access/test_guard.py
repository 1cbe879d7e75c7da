"""Every route says who may use it, and means it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from surefoot_server.access.guard import COOKIE, Permission
from surefoot_server.access.roles import Role
from surefoot_server.app import create_app, create_device_app
from tests.server.rig import NOW, Rig

OPEN = {
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/static/console.css"),
    ("GET", "/favicon.ico"),
}
"""The whole list of operators' routes that ask for nothing; a new one is a decision."""
OPEN_TO_DEVICES = {
    ("POST", "/api/v1/enrol"),
    ("POST", "/api/v1/renew"),
    ("POST", "/api/v1/token"),
    ("GET", "/api/v1/bundle"),
    ("POST", "/api/v1/lease"),
    ("GET", "/api/v1/blobs/{sha256}"),
    ("HEAD", "/api/v1/blobs/{sha256}"),
}


def routes(app: FastAPI) -> Iterator[tuple[str, str, Permission | None]]:
    """(method, path, permission) of everything the application answers to, mounted things too."""
    for route in _flat(app.routes):
        for method in getattr(route, "methods", None) or {"?"}:
            yield method, getattr(route, "path", str(route)), _permission(route)


def _flat(listed: Iterable[object]) -> Iterator[object]:
    for route in listed:
        below = getattr(route, "original_router", None)  # how FastAPI keeps an included router
        if isinstance(below, APIRouter):
            yield from _flat(below.routes)
        else:
            yield route


def _permission(route: object) -> Permission | None:
    return next(_permissions(route.dependant), None) if isinstance(route, APIRoute) else None


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    found = getattr(dependant.call, "permission", None)
    if isinstance(found, Permission):
        yield found
    for below in dependant.dependencies:
        yield from _permissions(below)


def test_no_route_lacks_a_permission(rig: Rig) -> None:
    listed = [*routes(create_app(rig.state)), *routes(create_device_app(rig.state))]

    assert [(method, path) for method, path, permission in listed if permission is None] == []
    assert len(listed) > 30


def test_the_open_routes_are_these_and_no_others(rig: Rig) -> None:
    opened = {(m, p) for m, p, permission in routes(create_app(rig.state)) if permission and permission.role is None}
    to_devices = {(m, p) for m, p, _ in routes(create_device_app(rig.state))}

    assert opened == OPEN
    assert to_devices == OPEN_TO_DEVICES


def test_every_open_route_says_why(rig: Rig) -> None:
    for app in (create_app(rig.state), create_device_app(rig.state)):
        assert all(p.reason for _, _, p in routes(app) if p is not None and p.role is None)


def test_without_a_token_every_other_route_answers_401(rig: Rig) -> None:
    client = rig.client(None)

    for method, path, permission in routes(create_app(rig.state)):
        if permission is not None and permission.role is not None and path.startswith("/api"):
            answer = client.request(method, _filled(path))
            assert (path, answer.status_code, answer.json()["kind"]) == (path, 401, "not_signed_in")


@pytest.mark.parametrize("role", list(Role))
def test_a_token_of_a_lower_role_answers_403_on_every_route(rig: Rig, role: Role) -> None:
    client = rig.client(role)

    for method, path, permission in routes(create_app(rig.state)):
        if permission is not None and permission.role is not None and path.startswith("/api"):
            refused = client.request(method, _filled(path)).status_code == 403
            assert refused is not role.includes(permission.role), f"{method} {path} as {role.value}"


def _filled(path: str) -> str:
    for name in ("device_id", "rollout_id", "name", "component", "version", "token_id", "request_id"):
        path = path.replace("{" + name + "}", "nobody")
    return path.replace("{sha256}", "0" * 64)


@pytest.mark.parametrize("header", ["sf_x", "Basic {0}", "Bearer", "Bearer  ", "Bearer {0}x", "bearer{0}"])
def test_a_header_that_is_no_bearer_token_opens_nothing(rig: Rig, header: str) -> None:
    client = rig.client(None)

    given = {"Authorization": header.format(rig.token(Role.ADMIN))}

    assert client.get("/api/v1/devices", headers=given).status_code == 401


def test_the_consoles_cookie_does_not_open_the_api(rig: Rig) -> None:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(Role.ADMIN)})
    assert client.get("/").status_code == 200

    assert COOKIE in client.cookies
    assert client.get("/api/v1/devices").status_code == 401


def test_a_bearer_token_does_not_open_the_console(rig: Rig) -> None:
    answer = rig.client(Role.ADMIN).get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_lease_opens_downloads_and_nothing_of_the_operators(rig: Rig) -> None:
    lease = {"Authorization": f"Bearer {rig.state.leases.mint('cam-1', NOW)}"}

    assert rig.client(None).get("/api/v1/devices", headers=lease).status_code == 401
