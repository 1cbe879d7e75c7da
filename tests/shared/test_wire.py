"""What gets through the border and what does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Ack, Event, Events, Hello, Sample, SlotReport, TelemetryBatch
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotState


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    n: int


@dataclass(frozen=True)
class Outer:
    text: str
    ratio: float = 0.0
    on: bool = False
    colour: Colour | None = None
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    words: list[str] | None = None
    by_name: Mapping[str, float] | None = None
    either: str | float = ""

    def __post_init__(self) -> None:
        if self.text == "forbidden":
            raise ValueError("text is forbidden")


texts = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**63), 2**63 - 1)
outers = st.builds(
    Outer,
    text=texts.filter(lambda t: t != "forbidden"),
    ratio=numbers,
    on=st.booleans(),
    colour=st.sampled_from([*Colour, None]),
    inner=st.none() | st.builds(Inner, whole),
    many=st.lists(st.builds(Inner, whole), max_size=3).map(tuple),
    pair=st.tuples(texts, whole),
    words=st.none() | st.lists(texts, max_size=3),
    by_name=st.none() | st.dictionaries(texts, numbers, max_size=3),
    either=texts | numbers,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(outers)
def test_what_is_encoded_is_decoded_as_the_same_value(value: Outer) -> None:
    assert wire.decode(Outer, wire.encode(value)) == value


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_become_a_value_or_be_refused(raw: bytes) -> None:
    for cls in (Outer, Hello, Events, Ack):
        try:
            value = wire.decode(cls, raw)
        except Invalid:
            continue
        assert isinstance(value, cls)


@given(anything)
def test_no_json_does_anything_but_become_a_value_or_be_refused(value: object) -> None:
    raw = json.dumps({"text": value, "ratio": value, "many": value, "by_name": value, "either": value, "v": value})
    for cls in (Outer, TelemetryBatch, Event, Manifest):
        try:
            built = wire.decode(cls, raw.encode())
        except Invalid:
            continue
        assert isinstance(built, cls)


def test_the_same_value_has_the_same_bytes_whatever_the_order_it_was_made_in() -> None:
    one = Outer("x", by_name={"a": 1.0, "b": 2.0})
    two = Outer("x", by_name={"b": 2.0, "a": 1.0})

    assert wire.encode(one) == wire.encode(two)


def test_text_travels_as_utf_8_and_not_as_escapes() -> None:
    assert "Đà Nẵng °C" in wire.encode(Outer("Đà Nẵng °C")).decode()


def test_a_whole_number_serves_where_a_float_is_wanted_and_becomes_one() -> None:
    value = wire.decode(Outer, b'{"text":"","ratio":3}')

    assert value.ratio == 3.0
    assert isinstance(value.ratio, float)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(Invalid):
        wire.decode(Outer, f'{{"text":"","ratio":{number}}}'.encode())


@pytest.mark.parametrize("digits", ["9223372036854775808", "-9223372036854775809", "1" * 400, "1" * 5000])
@pytest.mark.parametrize("field", ["ratio", "inner"])
def test_a_number_that_no_database_holds_is_refused(digits: str, field: str) -> None:
    value = digits if field == "ratio" else f'{{"n":{digits}}}'

    with pytest.raises(Invalid):
        wire.decode(Outer, f'{{"text":"","{field}":{value}}}'.encode())


def test_the_ends_of_64_bits_are_inside() -> None:
    for n in (2**63 - 1, -(2**63)):
        assert wire.decode(Inner, json.dumps({"n": n}).encode()).n == n


@pytest.mark.parametrize(
    "raw", [b'{"text":"\\ud800"}', b'{"text":"","by_name":{"\\udfff":1}}', b'{"text":"","words":["\\ud83d"]}']
)
def test_half_a_surrogate_pair_is_refused_where_nothing_could_store_it(raw: bytes) -> None:
    with pytest.raises(Invalid, match="not Unicode text"):
        wire.decode(Outer, raw)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert wire.decode(Outer, b'{"text":"\\ud83d\\ude00"}').text == "\N{GRINNING FACE}"


def test_a_message_above_its_limit_is_refused_unparsed() -> None:
    with pytest.raises(Invalid, match="30 bytes; 29 are allowed"):
        wire.decode(Outer, b"{" * 30, limit_bytes=29)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 40_000, b"", b"nul", b"\xef\xbb\xbf{}", b"{} {}", b"\x00"])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match="no JSON"):
        wire.parse(raw)


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match="no JSON object"):
        wire.parse(raw)


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b'{"text":null}', "Outer.text must be str, not NoneType"),
        (b'{"text":"","on":1}', "Outer.on must be bool, not int"),
        (b'{"text":"","on":"yes"}', "Outer.on must be bool, not str"),
        (b'{"text":"","ratio":true}', "Outer.ratio must be float, not bool"),
        (b'{"text":"","ratio":"1"}', "Outer.ratio must be float, not str"),
        (b'{"text":"","colour":"green"}', "Outer.colour is 'green'; known are red, blue"),
        (b'{"text":"","colour":["red"]}', "Outer.colour is"),
        (b'{"text":"","inner":[]}', "Outer.inner must be an object"),
        (b'{"text":"","inner":{"n":"1"}}', "Outer.inner.n must be int"),
        (b'{"text":"","many":[{"n":1},{"n":null}]}', r"Outer.many\[1\].n must be int"),
        (b'{"text":"","many":{"n":1}}', "Outer.many must be a list"),
        (b'{"text":"","pair":["a"]}', "Outer.pair must have 2 entries"),
        (b'{"text":"","pair":["a",1,2]}', "Outer.pair must have 2 entries"),
        (b'{"text":"","words":[1]}', r"Outer.words\[0\] must be str"),
        (b'{"text":"","by_name":[1]}', "Outer.by_name must be an object"),
        (b'{"text":"","by_name":{"fps":"fast"}}', "Outer.by_name.fps must be float"),
        (b'{"text":"","either":{}}', "Outer.either must be"),
        (b'{"text":"forbidden"}', "Outer: text is forbidden"),
    ],
)
def test_a_refusal_names_the_field(raw: bytes, where: str) -> None:
    with pytest.raises(Invalid, match=where) as caught:
        wire.decode(Outer, raw)

    assert caught.value.kind == "malformed"


def test_a_field_that_may_be_left_out_takes_its_default() -> None:
    assert wire.decode(Outer, b'{"text":"x"}') == Outer("x")


def test_an_unknown_word_of_any_length_makes_a_short_sentence() -> None:
    with pytest.raises(Invalid) as caught:
        wire.decode(Outer, json.dumps({"text": "", "colour": "x" * 100_000}).encode())

    assert len(caught.value.message) < 300


def test_a_value_without_a_wire_form_is_a_bug_and_raises() -> None:
    with pytest.raises(TypeError, match="bytes has no wire form"):
        wire.encode({"raw": b"bytes"})


def test_a_sample_that_is_no_number_cannot_be_sent_by_mistake() -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire.encode(Sample("2026", "camera_fps", float("nan")))


def test_enums_and_nested_values_have_their_plain_form() -> None:
    assert wire.to_json({"A": SlotReport(SlotState.GOOD)}) == {"A": {"state": "good", "release": None, "digest": None}}


@dataclass(frozen=True)
class Grown:
    old: int
    new: int | None = dataclasses.field(default=None, metadata=wire.LATER)


def test_a_field_that_came_later_is_left_out_until_it_says_something() -> None:
    assert (wire.encode(Grown(1)), wire.encode(Grown(1, 2))) == (b'{"old":1}', b'{"new":2,"old":1}')
    assert [wire.decode(Grown, wire.encode(g)) for g in (Grown(1), Grown(1, 2))] == [Grown(1), Grown(1, 2)]
