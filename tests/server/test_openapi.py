"""The API's description is whole, stable and kept beside the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.app import create_app
from tests.server.rig import Rig

KEPT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"


@pytest.fixture
def described(rig: Rig) -> dict[str, Any]:
    found = rig.client(Role.VIEWER).get("/api/v1/openapi.json").json()
    assert isinstance(found, dict)
    return found


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, op) for path, item in described["paths"].items() for method, op in item.items()]


def test_the_kept_description_is_what_the_server_says(described: dict[str, Any]) -> None:
    assert json.loads(KEPT.read_text()) == described, "run `make docs`"


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_tag(described: dict[str, Any]) -> None:
    found = operations(described)
    ids = [op["operationId"] for _, _, op in found]

    assert described["openapi"].startswith("3.1")
    assert len(ids) == len(set(ids)) > 70
    assert [path for path, _, op in found if not op.get("summary") or not op.get("tags")] == []


def test_every_operation_says_how_it_succeeds_and_how_it_is_refused(described: dict[str, Any]) -> None:
    for path, method, op in operations(described):
        if not path.startswith("/api/"):
            continue
        problems = {s: a for s, a in op["responses"].items() if "application/problem+json" in a.get("content", {})}
        assert any(status.startswith("2") for status in op["responses"]), f"{method} {path}"
        assert {"503"} <= set(problems), f"{method} {path}"
        assert path == "/api/v1/hooks/{token}" or {"401", "403"} <= set(problems), f"{method} {path}"
        assert ("404" in problems) or "{" not in path


def test_a_problem_is_as_described(rig: Rig, described: dict[str, Any]) -> None:
    said = rig.client(Role.VIEWER).get("/api/v1/devices/none").json()
    schema = described["components"]["schemas"]["Problem"]

    assert set(said) == set(schema["required"]) == set(schema["properties"])


def test_nothing_that_no_answer_has_is_described(described: dict[str, Any]) -> None:
    text = json.dumps(described)

    assert "HTTPValidationError" not in text
    assert all(f'"{name}"' in text for name in ("Idempotency-Key", "securitySchemes"))


def test_the_description_is_for_who_is_signed_in(rig: Rig) -> None:
    assert rig.client(None).get("/api/v1/openapi.json").status_code == 401
    assert create_app(rig.state).openapi_url is None
