"""The fast reader says what the strict one says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.telemetry.fast_wire import read_batch, write_ack
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Ack, Sample, TelemetryBatch
from surefoot_shared.status import SlotName

GOOD = TelemetryBatch(
    "cam-1", "s1", 5, 0, (Sample("2026-11-28T21:00:00Z", "camera_fps", 25.0, "app", "d", SlotName.A),)
)
RAW = wire.encode(GOOD)


def answer(read: object, raw: bytes) -> object:
    try:
        return read(raw)  # type: ignore[operator]
    except Invalid as error:
        return error.message


def both(raw: bytes) -> tuple[object, object]:
    return answer(read_batch, raw), answer(lambda r: wire.decode(TelemetryBatch, r), raw)


def test_a_batch_comes_out_as_it_went_in() -> None:
    assert read_batch(RAW) == GOOD
    assert isinstance(read_batch(RAW).samples[0].slot, SlotName)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"25.0", b"25"),
        (b"25.0", b"1e999"),
        (b"25.0", b"NaN"),
        (b"25.0", b"true"),
        (b"25.0", b'"25"'),
        (b'"cam-1"', b'"\\ud800"'),
        (b'"cam-1"', b'"\xff"'),
        (b'"batch":5', b'"batch":99999999999999999999'),
        (b'"batch":5', b'"batch":-9223372036854775809'),
        (b'"batch":5', b'"batch":5.0'),
        (b'"batch":5', b'"batch":null'),
        (b'"batch":5', b'"new":{"a":[1]},"batch":5'),
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":true'),
        (b',"v":1', b""),
        (b'"slot":"A"', b'"slot":"C"'),
        (b'"slot":"A"', b'"slot":null'),
        (b'{"batch"', b'\xef\xbb\xbf{"batch"'),
        (RAW, RAW + b"x"),
        (RAW, b"[]"),
        (RAW, b""),
        (RAW, b'{"v":1}'),
        (RAW, RAW + b" " * wire.LIMIT_BYTES),
    ],
)
def test_it_takes_and_refuses_what_the_strict_reader_does_in_its_words(old: bytes, new: bytes) -> None:
    raw = RAW.replace(old, new)
    fast, strict = both(raw)

    assert raw != RAW
    assert fast == strict


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 62), 1 << 62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["device", "stream", "batch", "dropped", "samples", "v"]), JSON)
def test_any_value_in_any_place_has_one_answer(name: str, value: object) -> None:
    fast, strict = both(json.dumps({**json.loads(RAW), name: value}).encode())

    assert fast == strict


@given(st.sampled_from(["at", "name", "value", "component", "digest", "slot"]), JSON)
def test_any_value_in_a_sample_has_one_answer(name: str, value: object) -> None:
    whole = json.loads(RAW)
    whole["samples"][0][name] = value

    fast, strict = both(json.dumps(whole).encode())

    assert fast == strict


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.integers(0, 1 << 62), st.integers(0, 1 << 62))
def test_an_acknowledgement_has_the_bytes_of_the_strict_writer(stream: str, event: int, batch: int) -> None:
    ack = Ack(stream, event, batch)

    assert write_ack(ack) == wire.encode(ack)


@pytest.mark.parametrize("raw", [b"[" * 8_000, b'{"a":' * 8_000 + b"1" + b"}" * 8_000])
def test_a_depth_that_nobody_means_is_refused_like_anything_else(raw: bytes) -> None:
    with pytest.raises(Invalid):
        read_batch(raw)
