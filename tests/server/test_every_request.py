"""Whatever the API's own description allows is answered, and never with a fault of the server.

Schemathesis makes the requests of each operation from the document, hostile ones too; the same ones every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from surefoot_server.access.roles import Role
from surefoot_server.app import create_app
from tests.server.rig import Rig

EXAMPLES = 4
"""Of each operation and each of the two ways; some 120 operations take a minute."""
WITHOUT_END = frozenset({"/api/v1/events"})
"""A stream goes on: its own tests ask it."""

SAME_ONES = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def app(rig: Rig) -> FastAPI:
    rig.device("cam-1", tags=["lab"])
    rig.release("app/1.1")
    return create_app(rig.state)


def operations(app: FastAPI, headers: Mapping[str, str]) -> Iterator[APIOperation]:
    document = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=dict(headers))
    for found in document.get_all_operations():
        assert isinstance(found, Ok), found.err()
        if found.ok().path not in WITHOUT_END:
            yield found.ok()


@pytest.mark.parametrize("way", ["as it is described", "otherwise"])
def test_no_request_is_answered_with_a_fault_of_the_server(rig: Rig, app: FastAPI, way: str) -> None:
    headers = {"Authorization": f"Bearer {rig.token(Role.ADMIN)}"}
    mode = schemathesis.GenerationMode.POSITIVE if way == "as it is described" else schemathesis.GenerationMode.NEGATIVE
    faults: dict[str, str] = {}

    for operation in operations(app, headers):
        faults |= asked(operation, mode, headers)

    assert faults == {}


def asked(operation: APIOperation, mode: schemathesis.GenerationMode, headers: Mapping[str, str]) -> dict[str, str]:
    """The operation with the last request that it answered with a fault; nothing where there was none."""
    faults: dict[str, str] = {}

    @SAME_ONES
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers=dict(headers))
        if answer.status_code >= 500:
            faults[operation.label] = f"{answer.status_code} for {case.as_curl_command()}"[:500]

    with suppress(Unsatisfiable):  # there is nothing that could be otherwise
        ask()
    return faults
