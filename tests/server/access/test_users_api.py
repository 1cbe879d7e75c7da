"""Users over HTTP, for administrators."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.rig import Rig

PASSWORD = "four words of mine"


def test_a_user_is_made_given_a_role_and_disabled(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)

    made = client.post("/api/v1/users", json={"name": "bob", "password": PASSWORD, "grants": [{"role": "viewer"}]})
    granted = client.post("/api/v1/users/bob/grant", json={"role": "operator", "reason": "night shift"}).json()
    disabled = client.post("/api/v1/users/bob/disable", json={"reason": "left"}).json()

    assert made.status_code == 201
    assert made.json()["signs_in_by"] == ["password"]
    assert granted["grants"] == [{"scope": "fleet", "role": "operator"}]
    assert disabled["disabled_at"] is not None
    assert [u["name"] for u in client.get("/api/v1/users").json()] == ["bob"]
    assert client.get("/api/v1/users/bob").json() == disabled
    assert client.post("/api/v1/users/bob/enable", json={}).json()["disabled_at"] is None


def test_no_answer_holds_a_password_or_its_hash(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)

    answers = [
        client.post("/api/v1/users", json={"name": "bob", "password": PASSWORD}),
        client.post("/api/v1/users/bob/password", json={"password": PASSWORD + "2"}),
        client.get("/api/v1/users"),
    ]

    assert [a.status_code for a in answers] == [201, 200, 200]
    assert all(PASSWORD not in a.text and "argon2" not in a.text for a in answers)


def test_a_password_that_is_refused_is_not_repeated(rig: Rig) -> None:
    answer = rig.client(Role.ADMIN).post("/api/v1/users", json={"name": "bob", "password": "short-one"})

    assert (answer.status_code, answer.json()["kind"]) == (422, "malformed")
    assert "short-one" not in answer.text


def test_a_role_is_withdrawn(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    client.post("/api/v1/users", json={"name": "bob", "grants": [{"role": "viewer"}]})

    assert client.post("/api/v1/users/bob/withdraw", json={}).json()["grants"] == []
    assert client.post("/api/v1/users/bob/withdraw", json={}).status_code == 404


def test_a_token_is_made_for_a_user_in_a_scope(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    client.post("/api/v1/users", json={"name": "bob", "grants": [{"role": "viewer"}]})
    client.post("/api/v1/cohorts", json={"name": "lab", "expression": "all"})

    made = client.post(
        "/api/v1/tokens", json={"name": "ci", "role": "operator", "scopes": ["cohort:lab"], "owner": "bob"}
    ).json()

    assert (made["owner"], made["scopes"]) == ("bob", ["cohort:lab"])
    mine = {"Authorization": f"Bearer {made['token']}"}
    refused = rig.client(None).get("/api/v1/users", headers=mine)
    assert (refused.status_code, refused.json()["kind"]) == (403, "not_allowed")
    assert (
        client.post("/api/v1/tokens", json={"name": "x", "role": "viewer", "scopes": ["cohort:no"]}).status_code == 404
    )
