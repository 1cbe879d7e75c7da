"""A write that is sent twice under one key happens once."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.idempotency import middleware
from tests.server.rig import Rig

KEY = {"Idempotency-Key": "7f3a"}


def test_a_token_that_is_made_twice_is_made_once_and_told_twice(rig: Rig) -> None:
    client, order = rig.client(Role.ADMIN), {"name": "ci", "role": "viewer"}

    first = client.post("/api/v1/tokens", json=order, headers=KEY)
    second = client.post("/api/v1/tokens", json=order, headers=KEY)

    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert (first.headers.get("idempotent-replayed"), second.headers["idempotent-replayed"]) == (None, "true")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["cache-control"] == "no-store"
    assert [row["name"] for row in client.get("/api/v1/tokens").json()].count("ci") == 1


def test_another_body_under_the_key_is_409(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    client.post("/api/v1/cohorts", json={"name": "a", "expression": "all"}, headers=KEY)

    answer = client.post("/api/v1/cohorts", json={"name": "b", "expression": "all"}, headers=KEY)

    assert (answer.status_code, answer.json()["kind"]) == (409, "conflict")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_refusal_is_kept_as_well(rig: Rig) -> None:
    client = rig.client(Role.OPERATOR)
    order = {"name": "a", "expression": "no such word ("}

    answers = [client.post("/api/v1/cohorts", json=order, headers=KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[1].json() == answers[0].json()


def test_a_caller_who_may_not_is_asked_anew_each_time(rig: Rig) -> None:
    viewer, order = rig.client(Role.VIEWER), {"name": "a", "expression": "all"}

    assert viewer.post("/api/v1/cohorts", json=order, headers=KEY).status_code == 403
    assert "idempotent-replayed" not in viewer.post("/api/v1/cohorts", json=order, headers=KEY).headers


def test_a_revoked_token_gets_no_kept_answer(rig: Rig) -> None:
    admin, client = rig.client(Role.ADMIN), rig.client(Role.OPERATOR)
    order = {"name": "a", "expression": "all"}
    assert client.post("/api/v1/cohorts", json=order, headers=KEY).status_code == 201
    mine = next(row["id"] for row in admin.get("/api/v1/tokens").json() if row["role"] == "operator")
    admin.delete(f"/api/v1/tokens/{mine}")

    assert client.post("/api/v1/cohorts", json=order, headers=KEY).status_code == 401


def test_a_bug_is_not_kept(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    client, order = rig.client(Role.OPERATOR), {"name": "a", "expression": "all"}

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("surefoot_server.cohorts.service.create", fail)
        assert client.post("/api/v1/cohorts", json=order, headers=KEY).status_code == 500

    assert client.post("/api/v1/cohorts", json=order, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_a_length(rig: Rig, key: str) -> None:
    answer = rig.client().post("/api/v1/cohorts", json={}, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["kind"]) == (422, "malformed")


def test_a_body_beyond_the_limit_is_refused_and_nothing_is_held(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_BYTES", 100)

    answer = rig.client().post("/api/v1/cohorts", content=b"x" * 101, headers=KEY)

    assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")


def test_reading_and_calls_without_a_credential_know_no_keys(rig: Rig) -> None:
    rig.release("app/1.0")
    made = (
        rig.client(Role.OPERATOR).post("/api/v1/hooks", json={"name": "h", "do": "flag", "release": "app/1.0"}).json()
    )
    stranger = rig.client(None)

    calls = [stranger.post(made["path"], json={"reason": f"r{n}"}, headers=KEY) for n in range(2)]

    assert [call.status_code for call in calls] == [200, 200]
    assert "idempotent-replayed" not in rig.client().get("/api/v1/devices", headers=KEY).headers
