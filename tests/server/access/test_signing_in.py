"""The way from the form to a session: by password or token, limited, audited, and never from another site."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access import users
from surefoot_server.access.attempts import NAME_RATE
from surefoot_server.access.guard import COOKIE
from surefoot_server.access.roles import FLEET, Grant, Role
from surefoot_server.audit import service as audit
from surefoot_server.audit.models import AuditEntry
from tests.server.rig import NOW, Rig

PASSWORD = "four words of mine"


@pytest.fixture
def client(rig: Rig) -> TestClient:
    with rig.db.write() as session:
        users.create(session, "bob", PASSWORD, [Grant(FLEET, Role.VIEWER)], "test", NOW)
    return rig.client(None)


def entries(rig: Rig) -> list[AuditEntry]:
    with rig.db.read() as session:
        return audit.entries(session)


def test_a_name_and_its_password_open_the_console(rig: Rig, client: TestClient) -> None:
    answer = client.post("/sign-in", data={"name": "bob", "password": PASSWORD}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200
    assert (entries(rig)[0].actor, entries(rig)[0].action, entries(rig)[0].detail["way"]) == (
        "bob",
        "sign_in",
        "password",
    )


def test_a_wrong_password_opens_nothing_and_is_audited_without_it(rig: Rig, client: TestClient) -> None:
    answer = client.post("/sign-in", data={"name": "bob", "password": "guess-guess-guess"})

    assert answer.status_code == 401
    assert COOKIE not in client.cookies
    entry = entries(rig)[0]
    assert (entry.action, entry.object) == ("sign_in.refused", "user:bob")
    assert "guess" not in str(entry.detail)


def test_a_password_typed_as_the_name_is_written_nowhere(rig: Rig, client: TestClient) -> None:
    client.post("/sign-in", data={"name": PASSWORD, "password": "bob"})

    entry = entries(rig)[0]
    assert (entry.action, entry.object) == ("sign_in.refused", "address:testclient")
    assert PASSWORD not in entry.model_dump_json()


def test_guessing_is_stopped_told_when_to_come_back_and_audited_once(rig: Rig, client: TestClient) -> None:
    for _ in range(int(NAME_RATE.burst)):
        client.post("/sign-in", data={"name": "bob", "password": "guess-guess-guess"})

    answers = [client.post("/sign-in", data={"name": "bob", "password": PASSWORD}) for _ in range(2)]

    assert [a.status_code for a in answers] == [429, 429]
    assert 1 <= int(answers[0].headers["retry-after"]) <= 30
    assert [e.action for e in entries(rig)].count("sign_in.limited") == 1


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_another_sites_form_acts_neither_with_a_session_nor_for_one(
    rig: Rig, client: TestClient, headers: dict[str, str]
) -> None:
    signing_in = client.post("/sign-in", data={"name": "bob", "password": PASSWORD}, headers=headers)
    client.post("/sign-in", data={"name": "bob", "password": PASSWORD})

    acting = client.post("/sign-out", headers=headers)

    assert (signing_in.status_code, acting.status_code) == (403, 403)
    assert client.get("/").status_code == 200


def test_the_cookie_is_for_https_alone_where_people_come_by_https(rig: Rig, client: TestClient) -> None:
    object.__setattr__(rig.state.settings, "console_url", "https://ota.example.com")

    answer = client.post(
        "/sign-in",
        data={"name": "bob", "password": PASSWORD},
        headers={"Origin": "https://ota.example.com"},
        follow_redirects=False,
    )

    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()
