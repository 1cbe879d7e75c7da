"""The fleet's schema: it takes what the parser takes, and knows the same keys."""

from __future__ import annotations

import re

import pytest
import yaml

from surefoot_server.fleet.document import Known, parse
from surefoot_server.fleet.schema import to_json
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json
from tests.server.fleet.test_document import WHOLE

SCHEMA = to_json()


def at(*path: str) -> dict[str, Json]:
    found: Json = SCHEMA
    for part in path:
        assert isinstance(found, dict)
        found = found[part]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("{wrong: 1}", ("properties",)),
        ("{version: 1, channels: {dev: {wrong: 1}}}", ("$defs", "channel", "properties")),
        (
            "{version: 1, channels: {dev: {cohort: all, requires: {wrong: 1}}}}",
            ("$defs", "channel", "properties", "requires", "properties"),
        ),
        ("{version: 1, policies: {careful: {wrong: 1}}}", ("$defs", "policy", "properties")),
        ("{version: 1, webhooks: {ops: {wrong: 1}}}", ("$defs", "webhook", "properties")),
    ],
)
def test_the_schema_knows_the_keys_that_the_parser_knows(document: str, path: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        parse(document, Known())

    assert set(re.split(r", ", refused.value.message.partition("known are ")[2].rstrip("."))) == set(at(*path))


def test_every_key_of_an_example_has_its_place() -> None:
    example = yaml.safe_load(WHOLE)

    assert set(example) <= set(at("properties"))
    for channel in example["channels"].values():
        assert set(channel) <= set(at("$defs", "channel", "properties"))
    assert at()["required"] == ["version"]
    assert at("$defs", "channel")["required"] == ["cohort"]
