"""The pages and the way to them."""

from __future__ import annotations

from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_server.console.assets import assets
from surefoot_server.console.navigation import entries, pages
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
