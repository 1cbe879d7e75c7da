"""Lists come in pages in which nothing is left out and nothing comes twice."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from annotated_types import Le
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from surefoot_server.access.matrix import flat
from surefoot_server.access.roles import Role
from surefoot_server.app import create_app
from surefoot_server.audit import service as audit
from surefoot_server.db import utc_now
from surefoot_server.paging import GREATEST
from tests.server.access.test_guard import routes
from tests.server.rig import NOW, Rig
from tests.server.rollouts.conftest import fleet as fleet
from tests.server.rollouts.fleet import Fleet

WHOLE = {
    "/api/v1/channels": "in the order of promotion, as many as an organisation has stages",
    "/api/v1/channels/parity": "a report",
    "/api/v1/channels/cleanup": "a report",
    "/api/v1/channels/{name}/ready": "the answers to one question",
    "/api/v1/telemetry": "bounded by its own limit and time",
    "/api/v1/telemetry/latest": "a report",
    "/api/v1/telemetry/summary": "a report",
    "/api/v1/telemetry/errors": "a report",
    "/api/v1/sites": "a report, one row for each site",
    "/api/v1/findings": "a report",
    "/api/v1/vulnerabilities/sources": "one row for each file that was imported",
    "/api/v1/rollouts/{rollout_id}/verdicts": "one for each phase",
}
"""Lists without pages, each with its reason."""


def pages(client: TestClient, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    while True:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        cursor = answer.headers.get("next-cursor")
        assert ('rel="next"' in answer.headers.get("link", "")) is (cursor is not None)
        if cursor is None:
            return
        query["cursor"] = cursor


@pytest.fixture
def client(fleet: Fleet) -> TestClient:
    """Twelve devices, a rollout with decisions, cohorts, flags and tokens."""
    rig = fleet.rig
    fleet.start()
    fleet.tick()
    for name in fleet.names[:5]:
        rig.state.feedback.flag_device(name, "dark", "bob", "operator", utc_now())
    made = rig.client(Role.ADMIN)
    for n in range(5):
        made.post("/api/v1/cohorts", json={"name": f"c{n}", "expression": "all"})
        made.post("/api/v1/tokens", json={"name": f"t{n}", "role": "viewer"})
    return made


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api/v1/devices", "id"),
        ("/api/v1/releases", "id"),
        ("/api/v1/cohorts", "name"),
        ("/api/v1/tokens", "id"),
        ("/api/v1/flags", "id"),
        ("/api/v1/rollouts/r1/members", "device"),
        ("/api/v1/rollouts/r1/decisions", "at"),
        ("/api/v1/audit", "seq"),
    ],
)
def test_pages_together_are_the_whole_list_in_its_order(client: TestClient, path: str, key: str) -> None:
    whole = client.get(path).json()

    found = list(pages(client, path, limit=2))

    assert [row for each in found for row in each] == whole
    assert len(whole) > 2
    assert key in whole[0]
    assert {len(each) for each in found[:-1]} == {2}


def test_the_link_leads_to_the_next_page_with_what_was_asked(client: TestClient) -> None:
    first = client.get("/api/v1/devices", params={"limit": 2, "q": "rpi5"})
    link = first.headers["link"].partition(">")[0].lstrip("<")

    second = client.get(link)

    assert "q=rpi5" in link
    assert {row["hw"] for row in second.json()} <= {"rpi5"}


def test_what_comes_meanwhile_shifts_nothing(rig: Rig) -> None:
    client = rig.client(Role.VIEWER)
    for n in range(4):
        with rig.db.write() as session:
            audit.record(session, "alice", "cohort.create", f"cohort:c{n}", {}, NOW)
    walk = pages(client, "/api/v1/audit", limit=2, object="")
    seen = [row["seq"] for row in next(walk)]
    with rig.db.write() as session:
        audit.record(session, "alice", "cohort.create", "cohort:new", {}, NOW)

    seen += [row["seq"] for each in walk for row in each]

    assert seen == sorted(set(seen), reverse=True)


def test_what_goes_meanwhile_takes_nothing_else_with_it(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    tokens = [client.post("/api/v1/tokens", json={"name": f"t{n}", "role": "viewer"}).json()["name"] for n in range(5)]
    walk = pages(client, "/api/v1/tokens", limit=2)
    seen = [row["name"] for row in next(walk)]

    seen += [row["name"] for each in walk for row in each]

    assert set(tokens) <= set(seen)
    assert len(seen) == len(set(seen))


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "given",
    [
        "x",
        "!!!!",
        cursor("/api/v1/tokens", "cam-1"),
        cursor("/api/v1/devices", 7),
        cursor("/api/v1/devices", True),
        cursor("/api/v1/devices", None),
        cursor("/api/v1/devices", ["a"]),
        cursor("/api/v1/devices", 1 << 70),
        cursor("/api/v1/devices"),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_cursor_that_is_none_of_the_lists_is_malformed(rig: Rig, given: str) -> None:
    answer = rig.client(Role.VIEWER).get("/api/v1/devices", params={"cursor": given})

    assert (answer.status_code, answer.json()["kind"]) == (422, "malformed")


@pytest.mark.parametrize("limit", [0, -1, 5001, "many"])
def test_a_page_has_its_bounds(rig: Rig, limit: object) -> None:
    assert rig.client(Role.VIEWER).get("/api/v1/devices", params={"limit": limit}).status_code == 422


def test_every_list_has_pages_or_a_reason(rig: Rig) -> None:
    """Read from the document: an answer that is an array takes `limit` and `cursor`."""
    found = {
        path: {parameter["name"] for parameter in route["get"].get("parameters", [])}
        for path, route in create_app(rig.state).openapi()["paths"].items()
        if "get" in route and _is_list(route["get"])
    }

    assert {path for path, names in found.items() if not {"limit", "cursor"} <= names} == set(WHOLE)
    assert len(found) > 20
    assert {path for _, path, _ in routes(create_app(rig.state))} >= set(found)


def _is_list(route: dict[str, Any]) -> bool:
    answer = route["responses"].get("200", {}).get("content", {}).get("application/json", {})
    return answer.get("schema", {}).get("type") == "array"


def test_no_number_in_an_address_is_greater_than_a_database_takes(rig: Rig) -> None:
    numbers = {
        (route.path, field.name): field.field_info.metadata
        for route in flat(create_app(rig.state).routes)
        if isinstance(route, APIRoute)
        for field in asked_in_address(route.dependant)
        if int in (field.field_info.annotation, *get_args(field.field_info.annotation))
    }
    unbounded = {
        where for where, rules in numbers.items() if not any(isinstance(r, Le) and r.le <= GREATEST for r in rules)
    }

    assert ("/api/v1/flags/{flag_id}/withdraw", "flag_id") in numbers
    assert unbounded == set()


def asked_in_address(dependant: Dependant) -> Iterator[Any]:
    """Fields of a route's path and query, and of whatever it depends on."""
    yield from (*dependant.path_params, *dependant.query_params)
    for below in dependant.dependencies:
        yield from asked_in_address(below)
