"""The list of devices: found, filtered, tagged many at once, and by whom."""

from __future__ import annotations

import re

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.cohorts import service as cohorts
from surefoot_server.devices import search
from tests.server.console.browser import browser
from tests.server.rig import NOW, Rig


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab"])
    rig.device("cam-2", hw="jetson-orin")
    rig.device("door-1")
    return rig


def named(text: str) -> list[str]:
    return re.findall(r'<a href="/devices/([^"]+)">', text)


def test_the_address_alone_says_which_devices(fleet: Rig) -> None:
    page = browser(fleet)

    assert named(page.get("/devices").text) == ["cam-1", "cam-2", "door-1"]
    assert named(page.get("/devices", params={"q": "CAM"}).text) == ["cam-1", "cam-2"]
    assert named(page.get("/devices", params={"cohort": "tag('lab')"}).text) == ["cam-1"]
    assert named(page.get("/devices", params={"is": "online"}).text) == []
    assert named(page.get("/devices", params={"is": "sleepy"}).text) == ["cam-1", "cam-2", "door-1"]


def test_an_expression_that_cannot_be_read_is_explained_on_the_page(fleet: Rig) -> None:
    text = browser(fleet).get("/devices", params={"cohort": "hw = 'x'"}).text

    assert "cannot be read at column" in text
    assert 'value="hw = &#39;x&#39;"' in text


def test_saved_cohorts_are_a_click_away(fleet: Rig) -> None:
    with fleet.db.write() as session:
        cohorts.create(session, "orins", "hw == 'jetson-orin'", "anna", NOW)

    text = browser(fleet).get("/devices", params={"cohort": "orins"}).text

    assert named(text) == ["cam-2"]
    assert 'href="/devices?cohort=orins" title="hw == &#39;jetson-orin&#39;" aria-current="true"' in text


def test_an_operator_saves_the_expression_as_a_cohort(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)
    assert "Save as cohort" in page.get("/devices", params={"cohort": "hw == 'rpi5'"}).text

    answer = page.post("/cohorts", data={"name": "pis", "expression": "hw == 'rpi5'"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/devices?cohort=pis")
    assert "Save as cohort" not in page.get("/devices", params={"cohort": "pis"}).text


def test_tags_are_changed_on_the_number_that_the_button_names(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)
    assert "Change the tags of 2 devices" in page.get("/devices", params={"q": "cam"}).text

    answer = page.post(
        "/devices/tags", data={"q": "cam", "devices": 2, "add": "canary, roof", "remove": "lab"}, follow_redirects=False
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/devices?q=cam")
    with fleet.db.read() as session:
        assert search.all_tags(session) == ["canary", "roof"]


def test_a_number_that_is_not_true_any_more_changes_nothing(fleet: Rig) -> None:
    answer = browser(fleet, Role.OPERATOR).post("/devices/tags", data={"q": "cam", "devices": 1, "add": "canary"})

    assert answer.status_code == 409
    assert "2 devices are meant now and 1 were confirmed" in answer.text


def test_a_viewer_reads_and_changes_nothing(fleet: Rig) -> None:
    page = browser(fleet)

    assert "Change tags" not in page.get("/devices").text
    assert page.post("/devices/tags", data={"devices": 3, "add": "x"}).status_code == 403
    assert page.post("/cohorts", data={"name": "x", "expression": "all"}).status_code == 403


def test_a_form_of_another_site_changes_nothing(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)
    elsewhere = {"Sec-Fetch-Site": "cross-site"}

    assert page.post("/devices/tags", data={"devices": 3, "add": "x"}, headers=elsewhere).status_code == 403
    assert page.post("/cohorts", data={"name": "x", "expression": "all"}, headers=elsewhere).status_code == 403


def test_an_empty_fleet_names_the_command_to_run(rig: Rig) -> None:
    assert "surefoot enrol-token create" in browser(rig).get("/devices").text


def test_what_a_device_is_called_is_text(fleet: Rig) -> None:
    fleet.device("cam-3", hw="<b>x</b>")

    text = browser(fleet).get("/devices", params={"q": "<b>"}).text

    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text


def test_ten_thousand_devices_make_no_heavier_a_page(fleet: Rig) -> None:
    for n in range(60):
        fleet.device(f"cam-1{n:03}", tags=["lab", "roof"])

    text = browser(fleet).get("/devices").text

    assert len(named(text)) == 50
    assert len(text) < 100_000
    assert 'rel="next"' in text
