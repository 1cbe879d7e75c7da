"""The page of permissions is read from what enforces them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends

from surefoot_server.access.guard import open_route, require
from surefoot_server.access.matrix import rows
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Role
from surefoot_server.app import DEVICE_ROUTERS, OPERATOR_ROUTERS, create_app, create_device_app
from tests.server.rig import Rig

PAGE = Path(__file__).parents[3] / "docs/reference/permissions.md"


def test_a_row_says_which_roles_may_and_over_what() -> None:
    router, below = APIRouter(), APIRouter()
    below.add_api_route("/a/{device_id}", lambda: None, dependencies=[Depends(require(Role.OPERATOR, Over.DEVICE))])
    router.include_router(below)
    router.add_api_route("/b", lambda: None, dependencies=[Depends(open_route("for everybody"))])
    router.add_api_route("/c", lambda: None, methods=["POST"])

    guarded, opened, bare = rows(router.routes)

    assert (guarded.cells, guarded.where) == (("", "✓", "✓", "✓"), "the device")
    assert (opened.cells, opened.where) == (("✓", "✓", "✓", "✓"), "for everybody")
    assert (bare.method, bare.permission) == ("POST", None)


def test_the_routers_hold_every_route_that_the_applications_answer_to(rig: Rig) -> None:
    served = [*rows(create_app(rig.state).routes), *rows(create_device_app(rig.state).routes)]
    listed = [*rows(r for router in OPERATOR_ROUTERS for r in router.routes)]
    listed += rows(r for router in DEVICE_ROUTERS for r in router.routes)

    missing = {(row.path, row.method) for row in served} - {(row.path, row.method) for row in listed}

    assert missing == {("/api/v1/openapi.json", "GET")}
    assert all(row.permission is not None for row in served)


def test_the_page_has_a_line_for_every_route_of_the_api(rig: Rig) -> None:
    text = PAGE.read_text()

    for row in rows(create_app(rig.state).routes):
        if row.path != "/api/v1/openapi.json":
            assert f"`{row.method} {row.path}`" in text
