"""The page of one's own password: this browser goes on, every other ends, and a mistake is shown on the form."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access import users
from surefoot_server.access.attempts import NAME_RATE
from surefoot_server.access.guard import COOKIE
from surefoot_server.access.roles import FLEET, Grant, Role
from tests.server.console.browser import HTML, browser
from tests.server.rig import NOW, Rig

PRESENT, NEW = "four words of mine", "another four words"
FORM = {"present": PRESENT, "new": NEW, "again": NEW}


@pytest.fixture
def bob(rig: Rig) -> TestClient:
    with rig.db.write() as session:
        users.create(session, "bob", PRESENT, [Grant(FLEET, Role.VIEWER)], "test", NOW)
    return signed_in(rig, PRESENT)


def signed_in(rig: Rig, password: str) -> TestClient:
    client = rig.client(None)
    client.headers.update(HTML)
    client.post("/sign-in", data={"name": "bob", "password": password})
    return client


def test_this_browser_goes_on_with_a_new_session_and_every_other_ends(rig: Rig, bob: TestClient) -> None:
    other, before = signed_in(rig, PRESENT), bob.cookies[COOKIE]
    assert '<a href="/password">' in bob.get("/").text

    answer = bob.post("/password", data=FORM)

    assert (answer.status_code, answer.url.path) == (200, "/password")
    assert "Your password is changed." in answer.text
    assert bob.cookies[COOKIE] != before
    assert bob.get("/", follow_redirects=False).status_code == 200
    assert other.get("/", follow_redirects=False).headers["location"] == "/sign-in"
    assert signed_in(rig, NEW).get("/", follow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"present": "guess guess guess"}, 403, "The present password is wrong"),
        ({"again": "something else"}, 422, "typed in two ways"),
        ({"new": "short", "again": "short"}, 422, "too short or too easy"),
    ],
)
def test_a_mistake_is_said_on_the_form_which_keeps_no_password(
    bob: TestClient, wrong: dict[str, str], status: int, said: str
) -> None:
    answer = bob.post("/password", data=FORM | wrong)

    assert answer.status_code == status
    assert said in answer.text
    assert not any(secret in answer.text for secret in (PRESENT, NEW, "guess guess", 'value="short"'))
    assert bob.get("/", follow_redirects=False).status_code == 200


def test_too_many_guesses_must_wait(bob: TestClient) -> None:
    for _ in range(NAME_RATE.burst):
        answer = bob.post("/password", data=FORM | {"present": "guess guess guess"})

    assert answer.status_code == 429
    assert "Too many attempts" in answer.text
    assert bob.post("/password", data=FORM).status_code == 429


def test_another_site_changes_no_password(bob: TestClient) -> None:
    assert bob.post("/password", data=FORM, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_who_signed_in_with_a_token_is_told_how(rig: Rig) -> None:
    page = browser(rig)

    assert "surefoot user own-password" in page.get("/password").text
    assert 'href="/password"' not in page.get("/").text
    assert page.post("/password", data=FORM).status_code == 409
