"""The pages and the way to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_server.console import navigation
from surefoot_server.console.assets import assets
from surefoot_server.console.navigation import entries, pages, permissions
from tests.server.access.cities import HA, build, signed_in
from tests.server.rig import Rig


def test_every_linked_page_is_there_for_everybody_who_signed_in(rig: Rig) -> None:
    client: TestClient = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(Role.VIEWER)})

    assert {entry.path: client.get(entry.path).status_code for entry in entries()} == {e.path: 200 for e in entries()}


def test_keys_and_places_are_told_apart_and_every_icon_is_drawn() -> None:
    icons = assets()["icons.svg"].plain.decode()

    assert len({e.key for e in entries()}) == len({e.path for e in entries()}) == len(entries())
    assert [e.icon for e in entries() if f'id="{e.icon}"' not in icons] == []


def test_every_page_brings_routes() -> None:
    assert [page.__name__ for page in pages() if not page.router.routes] == []


def links(browser: TestClient, path: str) -> set[str]:
    text = browser.get(path).text
    return {
        link.replace("&amp;", "&") for link in re.findall(r'href="(/[^"#]*)', text) if not link.startswith("/static")
    }


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
@pytest.mark.parametrize("scope", ["fleet", HA, "channel:dev-hanoi"])
def test_no_page_links_to_one_that_refuses_who_reads_it(rig: Rig, role: Role, scope: str) -> None:
    browser = signed_in(build(rig), role, scope)
    seen, todo = dict[str, int](), {"/"}

    while todo:
        path = todo.pop()
        seen[path] = browser.get(path).status_code
        todo |= links(browser, path) - set(seen)

    assert [path for path, status in seen.items() if status in (403, 405, 500)] == []
    assert {"/releases/app/1.0", "/devices/ha-1", "/rollouts/r1", "/drills", "/map", "/audit"} <= set(seen)
    assert ("/settings" in seen) is (scope == "fleet")


def forms(browser: TestClient, path: str) -> set[str]:
    return set(re.findall(r'<form[^>]* method="post" action="(/[^"]*)"', browser.get(path).text))


def test_a_page_offers_what_its_reader_may_do_and_nothing_else(rig: Rig) -> None:
    city, fleet = signed_in(build(rig), Role.OPERATOR, HA), signed_in(rig, Role.OPERATOR, "fleet")
    flag, advisory = "/releases/app/1.0/flag", "/releases/app/1.0/advisory"

    assert not {flag, advisory} & forms(city, "/releases/app/1.0")
    assert {flag, advisory} <= forms(fleet, "/releases/app/1.0")
    assert {"/drills", "/drills/schedules", "/drills/schedules/1/stop"} <= forms(city, "/drills")
    assert "/map/place" in forms(city, "/map")
    assert "/map/place" not in forms(signed_in(rig, Role.VIEWER, HA), "/map")
    assert "verify=1" in fleet.get("/audit").text
    assert "verify=1" not in city.get("/audit").text


def test_what_is_asked_of_the_guards_is_what_the_pages_name() -> None:
    templates = Path(navigation.__file__).parent / "templates"
    asked = [
        (method or "GET", path)
        for template in templates.glob("*.html")
        for path, method in re.findall(r'view\.opens\("([^"]+)"(?:, "([A-Z]+)")?\)', template.read_text())
    ]

    assert len(asked) > 5
    assert [each for each in asked if each not in permissions()] == []
