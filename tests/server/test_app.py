"""Two applications that share nothing but the state."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from surefoot_server.app import HEADERS
from tests.server.rig import Rig


def test_every_answer_carries_the_strict_headers(rig: Rig) -> None:
    for client, path in ((rig.client(Role.VIEWER), "/api/v1/devices"), (rig.device_client(), "/nowhere")):
        answer = client.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_browser_tells_our_own_forms_from_others(rig: Rig) -> None:
    """Under `no-referrer` it would send its own forms with `Origin: null`, and be refused as another site."""
    assert rig.client(None).get("/sign-in").headers["referrer-policy"] == "same-origin"


def test_the_interface_is_described_to_those_who_may_use_it(rig: Rig) -> None:
    described = rig.client(Role.VIEWER).get("/api/v1/openapi.json").json()

    assert "/api/v1/devices/{device_id}/why" in described["paths"]
    assert "/" not in described["paths"]
    assert rig.client(None).get("/api/v1/openapi.json").status_code == 401


def test_an_unknown_path_is_a_problem_document(rig: Rig) -> None:
    answer = rig.client(Role.VIEWER).get("/api/v1/nothing")

    assert (answer.status_code, answer.json()["kind"]) == (404, "not_found")
