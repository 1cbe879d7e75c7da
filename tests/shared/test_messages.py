"""The wire's bytes are pinned: a change here is a change for every device in the field."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from surefoot_shared import enrolment, messages, tokens, wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Ack, Event, Events, Hello, Lease, TelemetryBatch
from tests.shared.examples import EXAMPLES, HELLO

GOLDEN = Path(__file__).with_name("golden")
NAMES = sorted(EXAMPLES)


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


def plain(name: str) -> dict[str, Any]:
    value = json.loads(golden(name))
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_of_a_message_are_those_of_its_golden_file(name: str) -> None:
    assert wire.encode(EXAMPLES[name]) == golden(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_file_is_read_back_as_the_value_it_was_made_of(name: str) -> None:
    assert wire.decode(type(EXAMPLES[name]), golden(name)) == EXAMPLES[name]


def test_every_message_with_a_version_has_a_golden_file_and_every_file_its_example() -> None:
    versioned = {
        cls.__name__
        for module in (messages, enrolment, tokens)
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and dataclasses.is_dataclass(cls) and _has_version(cls)
    }

    assert versioned <= {type(value).__name__ for value in EXAMPLES.values()}
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(NAMES)


def test_every_field_of_every_message_is_set_to_something_in_its_golden_file() -> None:
    unset = [
        f"{name}.{key}" for name in NAMES if name != "event_smallest" for key, v in plain(name).items() if v is None
    ]

    assert unset == ["manifest_image.application"], "an image has none"


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_a_later_version_adds_is_ignored(name: str) -> None:
    raw = json.dumps(plain(name) | {"added_later": {"deep": [1, None]}}).encode()

    assert wire.decode(type(EXAMPLES[name]), raw) == EXAMPLES[name]


@pytest.mark.parametrize("version", [0, 2, -1, "1", True, None, 1.5, [], {}])
@pytest.mark.parametrize("name", NAMES)
def test_another_version_is_refused_and_named(name: str, version: object) -> None:
    raw = json.dumps(plain(name) | {"v": version}).encode()

    with pytest.raises(Invalid, match=r"has version .* this side reads 1"):
        wire.decode(type(EXAMPLES[name]), raw)


def test_a_later_version_is_told_by_its_version_and_not_by_the_fields_it_lacks() -> None:
    with pytest.raises(Invalid, match="Hello has version '2'"):
        wire.decode(Hello, b'{"v":2,"who":"cam-17"}')


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_field_without_a_default_is_named(name: str) -> None:
    value = EXAMPLES[name]
    required = [f.name for f in dataclasses.fields(value) if _is_required(f)]  # type: ignore[arg-type]

    for field in required:
        raw = json.dumps({k: v for k, v in plain(name).items() if k != field}).encode()
        with pytest.raises(Invalid, match=rf"{type(value).__name__}\.{field} is missing"):
            wire.decode(type(value), raw)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_the_wrong_type_is_named(name: str) -> None:
    wrong: dict[type, object] = {str: 5, int: "5", float: "5", bool: 1, list: {}, dict: [], type(None): [[]]}

    for field, value in plain(name).items():
        raw = json.dumps(plain(name) | {field: wrong[type(value)]}).encode()
        with pytest.raises(Invalid) as caught:
            wire.decode(type(EXAMPLES[name]), raw)
        assert f"{type(EXAMPLES[name]).__name__}.{field}" in caught.value.message or field == "v"


@pytest.mark.parametrize(
    ("cls", "raw", "where"),
    [
        (Hello, wire.to_json(HELLO) | {"hw": 5}, "Hello.hw must be str, not int"),  # type: ignore[operator]
        (Hello, wire.to_json(HELLO) | {"seq": "3"}, "Hello.seq must be int, not str"),  # type: ignore[operator]
        (Hello, wire.to_json(HELLO) | {"seq": True}, "Hello.seq must be int, not bool"),  # type: ignore[operator]
        (Hello, wire.to_json(HELLO) | {"seq": 3.0}, "Hello.seq must be int, not float"),  # type: ignore[operator]
        (Hello, wire.to_json(HELLO) | {"components": [{}]}, r"Hello.components\[0\].component is missing"),  # type: ignore[operator]
        (Event, json.loads('{"kind":"rumour"}'), "Event.device is missing"),
        (Ack, {"stream": "s", "event": None, "batch": 0}, "Ack.event must be int, not NoneType"),
        (Events, {"events": [5]}, r"Events.events\[0\] must be an object"),
        (Lease, {"assignment": "a", "sources": "x", "valid_s": 1}, "Lease.sources must be a list"),
        (
            TelemetryBatch,
            {"device": "d", "stream": "s", "batch": 1, "dropped": 0, "samples": {}},
            "samples must be a list",
        ),
    ],
)
def test_the_sentence_says_where_and_what(cls: type[object], raw: dict[str, Any], where: str) -> None:
    with pytest.raises(Invalid, match=where):
        wire.from_json(cls, raw)


def test_an_unknown_word_names_the_known_ones() -> None:
    raw = json.dumps(plain("event") | {"outcome": "exploded"}).encode()

    with pytest.raises(Invalid, match="'exploded'; known are committed, reverted, failed, lost"):
        wire.decode(Event, raw)


def test_the_largest_batch_that_the_agent_sends_fits_a_message() -> None:
    worst = dataclasses.replace(EXAMPLES["event"], message="x" * 4000)  # type: ignore[type-var]
    sealed = messages.Sealed(wire.encode(worst).decode(), "s" * 96)

    assert len(wire.encode(Events((sealed,) * 20))) < wire.LIMIT_BYTES


def _has_version(cls: type) -> bool:
    return any(field.name == "v" for field in dataclasses.fields(cls))


def _is_required(field: dataclasses.Field[object]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
