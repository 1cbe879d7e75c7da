"""The console: signing in, the page, and what it refuses."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.guard import COOKIE
from surefoot_server.access.roles import Role
from surefoot_server.console import page
from surefoot_shared.messages import EventKind
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, event, hello, outcome, runs


@pytest.fixture
def browser(rig: Rig) -> TestClient:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(Role.VIEWER)})
    return client


def test_without_a_session_the_page_leads_to_the_form(rig: Rig) -> None:
    answer = rig.client(None).get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_token_opens_the_page_and_its_cookie_is_out_of_reach_of_scripts_and_other_sites(rig: Rig) -> None:
    answer = rig.client(None).post("/sign-in", data={"token": rig.token(Role.VIEWER)}, follow_redirects=False)

    cookie = answer.headers["set-cookie"].lower()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_wrong_token_is_refused_on_the_form_and_not_shown_again(rig: Rig) -> None:
    answer = rig.client(None).post("/sign-in", data={"token": "sf_wrong_token"})

    assert answer.status_code == 401
    assert "no longer valid" in answer.text
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


def test_the_policy_allows_nothing_but_our_own_style(browser: TestClient) -> None:
    answer = browser.get("/")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_needs_no_script_and_no_inline_style(rig: Rig, browser: TestClient) -> None:
    rig.device("cam-1")

    text = browser.get("/").text

    assert "<script" not in text
    assert "style=" not in text
    assert not re.search(r"\son\w+=", text)


def test_the_page_refreshes_itself_until_it_is_stopped(browser: TestClient) -> None:
    assert 'http-equiv="refresh"' in browser.get("/").text
    assert 'http-equiv="refresh"' not in browser.get("/", params={"live": "0"}).text


def test_what_a_device_says_is_text_and_never_markup(rig: Rig, browser: TestClient) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    rig.events("cam-1", outcome(row, 1, Outcome.REVERTED, reason="health_failed", message=evil))

    text = browser.get("/").text

    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text


def test_what_a_person_searches_for_is_text_too(browser: TestClient) -> None:
    text = browser.get("/", params={"q": '"><script>alert(1)</script>'}).text

    assert "<script" not in text


def test_a_large_fleet_stays_under_100_kb_and_says_what_it_leaves_out(rig: Rig, browser: TestClient) -> None:
    rig.release("app/1.0")
    rig.release("app/1.1")
    with rig.db.write() as session:
        for n in range(page.ROWS + 50):
            name = f"camera-in-the-north-gate-{n:05}"
            rig.devices.register(session, name, "jetson-orin-nano", "key", NOW, tags=["lab", "north"])
            rig.devices.hello(session, hello(name, components=(runs("app/1.0"),), hw="jetson-orin"), NOW)

    text = browser.get("/").text

    style = browser.get("/static/console.css")
    assert len(text.encode()) + len(style.content) < 100_000
    assert f"{page.ROWS} of {page.ROWS + 50} devices are shown" in text


def test_the_style_serves_light_and_dark(browser: TestClient) -> None:
    style = browser.get("/static/console.css")

    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text
    assert "http" not in style.text


def test_the_icon_is_ours(browser: TestClient) -> None:
    assert browser.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def alarm(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong signature."))


def signed_in(rig: Rig, role: Role) -> TestClient:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(role)})
    return client


def test_an_operator_acknowledges_with_a_button_on_the_page(rig: Rig) -> None:
    alarm(rig)
    operator = signed_in(rig, Role.OPERATOR)
    assert "Acknowledge cam-1" in operator.get("/").text

    answer = operator.post("/acknowledge", data={"device": "cam-1"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert rig.device_row("cam-1").attention is None


def test_a_viewer_has_no_button_and_may_not_acknowledge(rig: Rig) -> None:
    alarm(rig)
    viewer = signed_in(rig, Role.VIEWER)

    assert "Acknowledge" not in viewer.get("/").text
    assert viewer.post("/acknowledge", data={"device": "cam-1"}).status_code == 403
    assert rig.device_row("cam-1").attention == "security"


def test_a_form_of_another_site_acknowledges_nothing(rig: Rig) -> None:
    alarm(rig)
    operator = signed_in(rig, Role.OPERATOR)

    answer = operator.post("/acknowledge", data={"device": "cam-1"}, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert rig.device_row("cam-1").attention == "security"


def test_nobody_acknowledges_without_signing_in(rig: Rig) -> None:
    alarm(rig)

    rig.client(None).post("/acknowledge", data={"device": "cam-1"}, follow_redirects=False)

    assert rig.device_row("cam-1").attention == "security"
