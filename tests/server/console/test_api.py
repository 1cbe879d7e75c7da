"""The console's own routes: signing in and out, language and colours, and the files of pages."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.guard import COOKIE
from surefoot_server.access.roles import Role
from surefoot_server.console import assets
from tests.server.rig import Rig


@pytest.fixture
def browser(rig: Rig) -> TestClient:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(Role.VIEWER)})
    return client


def test_without_a_session_the_page_leads_to_the_form(rig: Rig) -> None:
    answer = rig.client(None).get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_who_signs_in_comes_to_the_page_that_was_asked_for(rig: Rig) -> None:
    client = rig.client(None)
    client.headers["Accept"] = "text/html"

    asked = client.get("/devices?q=cam&is=offline", follow_redirects=False)
    form = client.get(asked.headers["location"])
    fields = {"token": rig.token(Role.VIEWER), "next": "/devices?q=cam&is=offline"}
    signed_in = client.post("/sign-in", data=fields, follow_redirects=False)

    assert asked.headers["location"] == "/sign-in?next=%2Fdevices%3Fq%3Dcam%26is%3Doffline"
    assert 'name="next" value="/devices?q=cam&amp;is=offline"' in form.text
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/devices?q=cam&is=offline")


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", ""])
def test_signing_in_leads_to_no_other_site(rig: Rig, to: str) -> None:
    client = rig.client(None)

    form = client.get("/sign-in", params={"next": to})
    answer = client.post("/sign-in", data={"token": rig.token(Role.VIEWER), "next": to}, follow_redirects=False)

    assert form.text.count('name="next" value="/">') == 2
    assert answer.headers["location"] == "/"


def test_what_is_sent_after_the_session_ended_is_said_not_to_be_taken(rig: Rig) -> None:
    client = rig.client(None)

    answer = client.post(
        "/rollouts/r1/pause", data={"reason": "x"}, headers={"Referer": "http://testserver/rollouts/r1"}
    )

    assert str(answer.url).endswith("/sign-in?ended=true&next=%2Frollouts%2Fr1")
    assert "You are not signed in any more. Sign in again." in answer.text


def test_a_link_on_another_site_leads_through_a_page_of_our_own(rig: Rig) -> None:
    """The cookie is SameSite=Strict: a browser sends it along only once the console itself asks for the page."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site"}

    answer = rig.client(None).get("/rollouts/r1", headers=headers, follow_redirects=False)

    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/rollouts/r1"' in answer.text


def test_a_token_opens_the_page_and_its_cookie_is_out_of_reach_of_scripts_and_other_sites(rig: Rig) -> None:
    answer = rig.client(None).post("/sign-in", data={"token": rig.token(Role.VIEWER)}, follow_redirects=False)

    cookie = answer.headers["set-cookie"].lower()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_wrong_token_is_refused_on_the_form_and_not_shown_again(rig: Rig) -> None:
    answer = rig.client(None).post("/sign-in", data={"token": "sf_wrong_token"})

    assert answer.status_code == 401
    assert "the token is wrong" in answer.text
    assert "sf_wrong_token" not in answer.text
    assert COOKIE not in answer.cookies


def test_another_site_cannot_sign_a_browser_in(rig: Rig) -> None:
    client = rig.client(None)

    answer = client.post("/sign-in", data={"token": rig.token(Role.VIEWER)}, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert COOKIE not in client.cookies


def test_signing_out_ends_the_session_on_the_server(rig: Rig, browser: TestClient) -> None:
    stolen = browser.cookies[COOKIE]

    browser.post("/sign-out")

    thief = rig.client(None)
    thief.cookies.set(COOKIE, stolen)
    assert thief.get("/", follow_redirects=False).status_code == 303


def test_another_site_cannot_sign_a_person_out(rig: Rig, browser: TestClient) -> None:
    answer = browser.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert browser.get("/").status_code == 200


def test_a_wrong_token_is_refused_in_the_readers_language(rig: Rig) -> None:
    answer = rig.client(None).post("/sign-in", data={"token": "x"}, headers={"Accept-Language": "vi"})

    assert answer.status_code == 401
    assert "mã truy cập không đúng" in answer.text


def test_the_language_is_the_browsers_until_a_person_sets_one(rig: Rig) -> None:
    client = rig.client(None)
    client.headers["Accept-Language"] = "vi"
    assert '<html lang="vi">' in client.get("/sign-in").text

    answer = client.post("/preferences", data={"language": "en", "back": "/sign-in"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert '<html lang="en">' in client.get("/sign-in").text


def test_colours_are_set_and_given_back_to_the_system(rig: Rig) -> None:
    client = rig.client(None)
    client.post("/preferences", data={"theme": "dark"})
    assert 'data-theme="dark"' in client.get("/sign-in").text

    client.post("/preferences", data={"theme": "auto"})

    assert "data-theme" not in client.get("/sign-in").text


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "x", "/a\nb"]
)
def test_preferences_never_lead_to_another_site(rig: Rig, back: str) -> None:
    answer = rig.client(None).post("/preferences", data={"theme": "dark", "back": back}, follow_redirects=False)

    assert answer.headers["location"] == "/"


def test_preferences_that_nobody_offers_are_forgotten(rig: Rig) -> None:
    client = rig.client(None)

    client.post("/preferences", data={"language": '"><x', "theme": '"><x'})

    text = client.get("/sign-in").text
    assert '<html lang="en">' in text
    assert "<x" not in text


def test_a_file_under_its_hash_may_be_kept_for_a_year_and_otherwise_is_asked_for_again(rig: Rig) -> None:
    client = rig.client(None)

    assert "immutable" in client.get(assets.address("console.css")).headers["cache-control"]
    assert client.get("/static/console.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/console.css?v=000000000000").headers["cache-control"] == "no-cache"


def test_files_are_compressed_for_those_who_read_that(rig: Rig) -> None:
    client = rig.client(None)

    packed = client.get("/static/console.css")
    plain = client.get("/static/console.css", headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text


@pytest.mark.parametrize("name", ["../api.py", "..%2fapi.py", "vendor/htmx/LICENSE", "none.css", ""])
def test_what_is_no_file_of_pages_is_not_served(rig: Rig, name: str) -> None:
    assert rig.client(None).get(f"/static/{name}").status_code == 404


def test_the_icon_is_ours(browser: TestClient) -> None:
    assert browser.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
