"""Tokens over HTTP."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.rig import Rig


def test_a_made_token_works_and_its_text_is_shown_once(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)

    made = client.post("/api/v1/tokens", json={"name": "ci", "role": "releaser"})
    listed = client.get("/api/v1/tokens").json()

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    mine = {"Authorization": f"Bearer {made.json()['token']}"}
    assert rig.client(None).get("/api/v1/releases", headers=mine).status_code == 200
    assert all("token" not in row for row in listed)


def test_a_revoked_token_is_refused_from_then_on(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    made = client.post("/api/v1/tokens", json={"name": "ci", "role": "viewer"}).json()

    client.delete(f"/api/v1/tokens/{made['id']}")

    mine = {"Authorization": f"Bearer {made['token']}"}
    assert rig.client(None).get("/api/v1/releases", headers=mine).status_code == 401


def test_an_unknown_role_is_malformed(rig: Rig) -> None:
    answer = rig.client(Role.ADMIN).post("/api/v1/tokens", json={"name": "ci", "role": "king"})

    assert (answer.status_code, answer.json()["kind"]) == (422, "malformed")
    assert "role" in answer.json()["message"]
