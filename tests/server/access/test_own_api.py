"""Everybody over HTTP: who one is, and one's own password; also with a role over one cohort alone."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access import service, users
from surefoot_server.access.roles import Grant, Role, Scope
from surefoot_server.cohorts import service as cohorts
from tests.server.rig import NOW, Rig

PRESENT, NEW = "four words of mine", "another four words"


@pytest.fixture
def bobs(rig: Rig) -> TestClient:
    """A token of a user who has a role over one cohort alone."""
    scope = Scope.parse("cohort:lab")
    with rig.db.write() as session:
        cohorts.create(session, "lab", "tag('lab')", "root", NOW)
        row = users.create(session, "bob", PRESENT, [Grant(scope, Role.OPERATOR)], "root", NOW)
        _, text = service.create_token(session, "bobs", Role.VIEWER, "bob", NOW, person=f"user:{row.id}")
    client = rig.client(None)
    client.headers["Authorization"] = f"Bearer {text}"
    return client


def test_a_token_says_whose_it_is_and_what_it_may(rig: Rig, bobs: TestClient) -> None:
    assert bobs.get("/api/v1/me").json() == {
        "name": "bobs",
        "user": "bob",
        "grants": [{"scope": "cohort:lab", "role": "viewer"}],
    }
    assert rig.client(Role.ADMIN).get("/api/v1/me").json()["user"] is None
    assert rig.client(None).get("/api/v1/me").status_code == 401


def test_the_password_is_changed_by_who_knows_it_and_no_answer_holds_one(bobs: TestClient) -> None:
    refused = bobs.post("/api/v1/me/password", json={"present": "guess guess guess", "new": NEW})
    poor = bobs.post("/api/v1/me/password", json={"present": PRESENT, "new": "short"})
    changed = bobs.post("/api/v1/me/password", json={"present": PRESENT, "new": NEW})

    assert (refused.status_code, poor.status_code, changed.status_code) == (403, 422, 200)
    assert changed.json()["user"] == "bob"
    said = refused.text + poor.text + changed.text
    assert not any(secret in said for secret in (PRESENT, NEW, "guess"))
    assert bobs.post("/sign-in", data={"name": "bob", "password": NEW}, follow_redirects=False).status_code == 303


def test_a_program_is_told_that_it_has_none(rig: Rig) -> None:
    answer = rig.client(Role.ADMIN).post("/api/v1/me/password", json={"present": "x", "new": NEW})

    assert (answer.status_code, answer.json()["kind"]) == (409, "conflict")
