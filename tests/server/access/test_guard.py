"""Every route says who may use it, and means it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from surefoot_server.access import matrix
from surefoot_server.access.guard import COOKIE, Permission
from surefoot_server.access.roles import Role
from surefoot_server.app import create_app, create_device_app
from surefoot_server.audit import service as audit
from tests.server.rig import NOW, Rig

OPEN = {
    ("POST", "/api/v1/hooks/{token}"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-in/oidc"),
    ("GET", "/sign-in/oidc/back"),
    ("POST", "/preferences"),
    ("GET", "/static/{name:path}"),
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
    ("POST", "/api/v1/blobs/urls"),
}


def routes(app: FastAPI) -> Iterator[tuple[str, str, Permission | None]]:
    """(method, path, permission) of everything the application answers to, mounted things too."""
    for row in matrix.rows(app.routes):
        yield row.method, row.path, row.permission


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
    rig.state.streams.close()  # the one route whose answer has no end

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


def test_a_refusal_is_audited_once_an_hour_for_each_who_tries(rig: Rig) -> None:
    client = rig.client(Role.VIEWER)

    for _ in range(3):
        client.post("/api/v1/cohorts", json={"name": "x", "expression": "all"})

    with rig.db.read() as session:
        found = [e for e in audit.entries(session) if e.action == "access.refused"]
    assert [(e.actor.partition("-")[0], e.detail["route"]) for e in found] == [("viewer", "POST /api/v1/cohorts")]
    assert "this needs operator" in found[0].detail["reason"]


def test_who_has_the_role_in_a_scope_alone_reads_that_the_fleet_is_needed(rig: Rig) -> None:
    rig.client(Role.ADMIN).post("/api/v1/cohorts", json={"name": "hanoi", "expression": "tag('ha')"})
    wish = {"name": "linh", "role": "operator", "scopes": ["cohort:hanoi"]}
    token = rig.client(Role.ADMIN).post("/api/v1/tokens", json=wish).json()["token"]

    answer = rig.client(None).get("/api/v1/hooks", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    assert answer.json()["message"] == "linh is operator over cohort:hanoi; this needs operator over the fleet."
