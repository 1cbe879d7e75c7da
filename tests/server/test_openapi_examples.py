"""Every example of the API's description is what it says: it fits its schema, and the server takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from surefoot_server.access.roles import Role
from surefoot_server.app import create_app
from surefoot_server.openapi import described
from surefoot_server.openapi_examples import EXAMPLES
from surefoot_shared.errors import KINDS
from tests.server.rig import Rig

Json = dict[str, Any]
PLACES = {"component": "camera-app", "version": "1.8.2", "device_id": "cam-17", "name": "hanoi", "rollout_id": "r1"}


@pytest.fixture
def document(rig: Rig) -> Json:
    return described(create_app(rig.state))


def bodies(document: Json) -> Iterator[tuple[str, str, str, Json]]:
    """(operation id, method, path, media type's object) of each operation that takes JSON."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield operation["operationId"], method, path, content["application/json"]


def errors(document: Json, schema: Json, value: object) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [str(error) for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)]


def test_every_body_has_an_example_and_every_example_a_body(document: Json) -> None:
    assert {operation for operation, *_ in bodies(document)} == set(EXAMPLES)


def test_every_example_of_a_body_fits_its_schema_and_names_nothing_that_it_lacks(document: Json) -> None:
    for operation, _, _, content in bodies(document):
        assert errors(document, content["schema"], content["example"]) == [], operation
        if "$ref" in content["schema"]:
            schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
            assert set(content["example"]) <= set(schema["properties"]), operation


def test_an_example_that_does_not_fit_is_found(document: Json) -> None:
    content = {operation: content for operation, _, _, content in bodies(document)}["devices_place"]

    assert errors(document, content["schema"], {**content["example"], "latitude": 91}) != []
    assert errors(document, content["schema"], {"latitude": 1}) != []


def test_every_problem_has_an_example_of_a_kind_that_is_registered(document: Json) -> None:
    found = 0
    for item in document["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/problem+json")
                if content is None:
                    continue
                found += 1
                assert errors(document, content["schema"], content["example"]) == []
                assert content["example"]["status"] == int(status)
                assert content["example"]["hint"] == KINDS[content["example"]["kind"]].hint
    assert found > 300


def test_the_server_takes_every_example(rig: Rig, document: Json) -> None:
    client = rig.client(Role.ADMIN)

    refused = {}
    for operation, method, path, content in bodies(document):
        filled = re.sub(r"{(\w+)}", lambda part: PLACES.get(part.group(1), "1"), path)
        answer = client.request(method, filled, json=content["example"])
        if answer.status_code not in (200, 201, 403, 404, 409):
            refused[operation] = answer.text

    assert refused == {}
