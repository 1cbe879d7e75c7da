"""The page of one device: what it says, what one may do, and who."""

from __future__ import annotations

import html
from dataclasses import replace

import pytest
from sqlmodel import select

from surefoot_server.access.roles import Role
from surefoot_server.devices.models import DeviceRequest, DeviceTag
from surefoot_server.feedback import repository as feedback
from surefoot_server.rollouts.service import Order
from surefoot_shared.messages import EventKind, RequestKind, Response, RevertReport
from surefoot_shared.status import Outcome
from tests.server.console.browser import browser
from tests.server.rig import NOW, Rig, event, hello, outcome, runs

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab"])
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)
    return rig


def test_the_page_says_why_and_what_the_slots_hold(fleet: Rig) -> None:
    text = browser(fleet).get("/devices/cam-1").text

    assert "cam-1 runs app/1.0" in text
    assert '<div class="slot runs">' in text
    assert "surefoot-agent lock" in text


def test_each_component_has_its_own_answer_and_waits_only_for_its_own_rollout(fleet: Rig) -> None:
    fleet.release("model/3.0")
    fleet.release("model/3.1")
    parts = (runs("app/1.0"), replace(runs("model/3.0"), component="model"))
    with fleet.db.write() as session:
        fleet.devices.hello(session, hello("cam-1", 2, components=parts), NOW)
    policy = "phases: [{name: night, percent: 100, bake: 1h, approval: {by: releaser, count: 1}}]"
    rollout = fleet.state.rollouts.start(Order(policy, "model/3.1", "all"), "anna", NOW)

    page = browser(fleet).get("/devices/cam-1").text
    asked = {
        name: fleet.client(Role.VIEWER).get(f"/api/v1/devices/cam-1/why?component={name}").json()
        for name in ("app", "model")
    }

    said = {name: html.escape(answer["sentence"]) for name, answer in asked.items()}
    assert all(f'<p class="why">{sentence}</p>' in page for sentence in said.values())
    assert (rollout in said["app"], rollout in said["model"]) == (False, True), said
    assert (asked["app"]["kind"], asked["model"]["kind"]) == ("nothing_wanted", "waiting_for_rollout")


def test_nothing_a_device_said_is_markup(fleet: Rig) -> None:
    row = fleet.assign("cam-1", fleet.release("app/1.1"))
    report = RevertReport(EVIL, EVIL, EVIL, EVIL, reset_cause=EVIL, kernel_tail=EVIL)
    fleet.events("cam-1", outcome(row, 1, Outcome.REVERTED, reason="health_failed", message=EVIL, report=report))
    fleet.events("cam-1", event("cam-1", 2, EventKind.SECURITY, reason="metadata_untrusted", message=EVIL))
    with fleet.db.write() as session:
        asked = fleet.devices.request(session, "cam-1", RequestKind.LOGS, 10, "anna", NOW)
        fleet.devices.response(session, "cam-1", Response(asked.id, True, EVIL), NOW)

    text = browser(fleet).get("/devices/cam-1").text

    assert "<script>" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") >= 7


def test_an_operator_asks_the_device_and_the_page_waits_for_the_answer(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)

    answer = page.post("/devices/cam-1/ask", data={"kind": "logs", "lines": 50}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/devices/cam-1#answers")
    ((device, asked),) = fleet.said.requests
    assert (device, asked.kind, asked.lines) == ("cam-1", RequestKind.LOGS, 50)
    waiting = page.get("/devices/cam-1").text
    assert "waits for the answer" in waiting
    assert 'hx-trigger="load delay:2s"' in waiting
    with fleet.db.write() as session:
        fleet.devices.response(session, "cam-1", Response(asked.id, True, "all is well"), NOW)
    answered = page.get("/devices/cam-1").text
    assert "all is well" in answered
    assert "hx-trigger" not in answered


def test_an_operator_sets_the_tags(fleet: Rig) -> None:
    browser(fleet, Role.OPERATOR).post("/devices/cam-1/tags", data={"tags": "roof canary"})

    with fleet.db.read() as session:
        assert sorted(session.exec(select(DeviceTag.tag))) == ["canary", "roof"]


def test_a_tag_that_is_none_is_refused(fleet: Rig) -> None:
    answer = browser(fleet, Role.OPERATOR).post("/devices/cam-1/tags", data={"tags": "-x"})

    assert answer.status_code == 422
    assert "is no tag" in answer.text


def test_an_operator_flags_the_device_and_takes_it_back(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)

    page.post("/devices/cam-1/flag", data={"reason": "green picture"})
    assert "green picture" in page.get("/devices/cam-1").text
    page.post("/devices/cam-1/flags/1/withdraw")

    with fleet.db.read() as session:
        assert feedback.about(session, device_id="cam-1") == []


def test_an_operator_acknowledges_what_needs_attention(fleet: Rig) -> None:
    fleet.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong."))
    page = browser(fleet, Role.OPERATOR)
    assert "Acknowledge cam-1" in page.get("/devices/cam-1").text

    page.post("/devices/cam-1/acknowledge")

    assert fleet.device_row("cam-1").attention is None


def test_an_administrator_revokes_only_after_typing_the_name(fleet: Rig) -> None:
    page = browser(fleet, Role.ADMIN)

    refused = page.post("/devices/cam-1/revoke", data={"confirmed": "cam-2"})
    assert (refused.status_code, "nothing was done" in refused.text) == (422, True)
    assert fleet.device_row("cam-1").revoked_at is None
    page.post("/devices/cam-1/revoke", data={"confirmed": "cam-1"})

    assert fleet.device_row("cam-1").revoked_at is not None
    assert "Revoke 1 device" not in page.get("/devices/cam-1").text


FORMS = [
    ("acknowledge", {}),
    ("tags", {"tags": "x"}),
    ("flag", {"reason": "x"}),
    ("flags/1/withdraw", {}),
    ("ask", {"kind": "logs"}),
    ("revoke", {"confirmed": "cam-1"}),
]


@pytest.mark.parametrize(("act", "data"), FORMS)
def test_a_viewer_may_do_none_of_it(fleet: Rig, act: str, data: dict[str, str]) -> None:
    page = browser(fleet)

    assert page.post(f"/devices/cam-1/{act}", data=data).status_code == 403
    assert 'class="act' not in page.get("/devices/cam-1").text


@pytest.mark.parametrize(("act", "data"), FORMS)
def test_a_form_of_another_site_does_nothing(fleet: Rig, act: str, data: dict[str, str]) -> None:
    page = browser(fleet, Role.ADMIN)

    assert page.post(f"/devices/cam-1/{act}", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    with fleet.db.read() as session:
        assert session.exec(select(DeviceRequest)).all() == []
    assert fleet.device_row("cam-1").revoked_at is None
