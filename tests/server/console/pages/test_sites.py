"""The map and its list say the same, and nothing is asked of another server."""

from __future__ import annotations

import re

from surefoot_server.access.roles import Role
from surefoot_server.console.pages.sites import devices_of
from tests.server.console.browser import browser
from tests.server.rig import Rig


def test_the_map_shows_a_site_once_somebody_said_where_it_is(rig: Rig) -> None:
    rig.device("cam-1")
    page = browser(rig, Role.OPERATOR)
    assert '<circle class="calm" cx="480.0"' not in page.get("/map").text

    form = {"site": "hanoi", "latitude": 21.03, "longitude": 105.85, "devices": 1}
    answer = page.post("/map/place", data=form, follow_redirects=False)

    assert answer.status_code == 303
    text = page.get("/map").text
    assert '<circle class="calm" cx="480.0"' in text
    assert "<title>hanoi: offline, 1 device</title>" in text


def test_nothing_of_it_comes_from_elsewhere(rig: Rig) -> None:
    rig.device("cam-1")

    text = browser(rig).get("/map").text

    assert re.findall(r'(?:href|src)="(https?:[^"]*)"', text) == []


def test_a_viewer_and_another_site_may_not_move_it(rig: Rig) -> None:
    rig.device("cam-1")
    form = {"site": "hanoi", "latitude": 1, "longitude": 1, "devices": 1}

    assert browser(rig).post("/map/place", data=form).status_code == 403
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert browser(rig, Role.ADMIN).post("/map/place", data=form, headers=elsewhere).status_code == 403
    assert "latitude" not in rig.device_row("cam-1").attributes


def test_a_site_leads_to_its_devices_whatever_it_is_called() -> None:
    assert devices_of("hn 1") == "/devices?cohort=site+%3D%3D+%27hn+1%27"
    assert devices_of("o'x") == "/devices?cohort=site+%3D%3D+%22o%27x%22"
    assert devices_of("a'b\"c") == "/devices?q=a%27b%22c"


def test_without_sites_the_page_names_the_command(rig: Rig) -> None:
    assert "surefoot enrol-token create --attribute site=" in browser(rig).get("/map").text


def test_sites_without_a_place_are_listed_with_the_command_instead_of_an_empty_map(rig: Rig) -> None:
    rig.device("cam-1")

    text = browser(rig, Role.OPERATOR).get("/map").text

    assert "No site has a place on the map yet." in text
    assert "surefoot site place hanoi 21.028 105.854" in text
    assert "<circle" not in text
    assert "Say where it is" in text
