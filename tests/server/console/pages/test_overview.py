"""The first page: what it says, to whom, and what it refuses."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access import service as access
from surefoot_server.access.roles import Role, Scope
from surefoot_server.cohorts import service as cohorts
from surefoot_shared.messages import EventKind
from surefoot_shared.status import Outcome
from tests.server.console.browser import browser as session_of
from tests.server.findings.bills import REQUESTS, importer, record, with_bill
from tests.server.rig import NOW, Rig, event, outcome
from tests.server.rollouts.fleet import Fleet


@pytest.fixture
def browser(rig: Rig) -> TestClient:
    return signed_in(rig, Role.VIEWER)


def test_what_a_device_says_is_text_and_never_markup(rig: Rig, browser: TestClient) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    rig.events("cam-1", outcome(row, 1, Outcome.REVERTED, reason="health_failed", message=evil))

    text = browser.get("/").text

    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text


def test_what_a_person_searches_for_is_text_too(browser: TestClient) -> None:
    text = browser.get("/", params={"q": '"><script>alert(1)</script>'}).text

    assert "<script>" not in text


def alarm(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong signature."))


def signed_in(rig: Rig, role: Role) -> TestClient:
    return session_of(rig, role)


def test_what_is_known_of_what_runs_is_on_the_page_and_the_servers_health_says_it_too(rig: Rig) -> None:
    Fleet(rig)
    with_bill(rig, "app/1.0", REQUESTS)
    importer(rig).take([record()], "all.zip", "ann", NOW)

    text = signed_in(rig, Role.VIEWER).get("/").text

    assert '<a href="/releases/app/1.0">12 devices run app/1.0: GHSA-1 (requests 2.31.0) is known</a>' in text
    assert rig.client(None).get("/healthz").json()["warnings"][0].startswith("12 devices run app/1.0")


def test_somebody_of_one_cohort_hears_only_of_devices_there(rig: Rig) -> None:
    Fleet(rig)
    with_bill(rig, "app/1.0", REQUESTS)
    importer(rig).take([record()], "all.zip", "ann", NOW)
    with rig.db.write() as session:
        cohorts.create(session, "one", "device == 'cam-01'", "anna", NOW)
        token = access.create_token(session, "x", Role.VIEWER, "test", NOW, scopes=[Scope.parse("cohort:one")])[1]
    client = rig.client(None)
    client.post("/sign-in", data={"token": token})

    text = client.get("/").text
    assert "1 of 1 devices run app/1.0" in text
    assert "1 device runs app/1.0: GHSA-1" in text
    assert not re.search(r"\b12 devices|of 12\b", text), "no count of the others"


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
