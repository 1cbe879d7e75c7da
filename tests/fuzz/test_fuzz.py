"""No bytes from outside crash a parser, hang it, or make it take more than the capped memory.

Seeds first (each an attack that has worked on somebody), then bent copies of honest bytes, then anything. `make test`
with `HYPOTHESIS_PROFILE=long` tries a hundred times as many.
"""

from __future__ import annotations

import json
import os
import time
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot_shared.errors import SurefootError
from tests.fuzz.parsers import PARSERS, Parser, message_classes

CAP_BYTES = 64 * 1024 * 1024
"""Of Python's own allocations; the largest text that is parsed has 16 MiB (a manifest of 100,000 files)."""
HANG_S = 5.0
FACTOR = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1

SEEDS: dict[str, bytes] = {
    "nothing": b"",
    "zeros": bytes(100_000),
    "zip bomb": zlib.compress(b'{"v":1,"device":"' + b"a" * 50_000_000, 9),
    "zip bomb of spaces": zlib.compress(b" " * 50_000_000, 9),
    "nested zip bomb": zlib.compress(zlib.compress(bytes(50_000_000), 9), 9),
    "8,000 deep lists": b"[" * 8_000,
    "8,000 deep objects": b'{"a":' * 8_000 + b"1" + b"}" * 8_000,
    "deep in a field": b'{"v":1,"device":' + b"[" * 8_000 + b"]" * 8_000 + b"}",
    "compressed deep": zlib.compress(b"[" * 8_000),
    "5,000 digits": b'{"v":' + b"9" * 5_000 + b"}",
    "huge exponent": b'{"v":1e999999,"valid_s":1e400}',
    "not a number": b'{"v":NaN,"valid_s":Infinity}',
    "lone surrogate": b'{"v":1,"device":"\\ud800","message":"\\udfff","payload":"\\ud800","signature":"\\ud800"}',
    "not utf-8": b'{"v":1,"device":"\xff\xfe"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"v":1}'.encode("utf-16"),
    "same key twice": b'{"v":1,"v":2,"v":1}',
    "many keys": json.dumps({f"k{n}": n for n in range(20_000)}).encode(),
    "long string": b'{"v":1,"device":"' + b"a" * 250_000 + b'"}',
    "wrong types": b'{"v":"1","device":[],"seq":true,"components":{},"events":"x","samples":3,"sources":null}',
    "toml bomb": b"a = " + b"[" * 8_000,
    "toml deep keys": b".".join([b"a"] * 8_000) + b" = 1",
    "toml date": b"state_dir = 1979-05-27T07:32:00Z\nport = 99999999999999999999999999\n",
    "empty pem": b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
    "der length lie": b"-----BEGIN CERTIFICATE REQUEST-----\nMIT/////\n-----END CERTIFICATE REQUEST-----\n",
    "null device": b'{"v":1,"device":"cam-1\\u0000","csr":"\\u0000"}',
}

NAMES = sorted(PARSERS)
ANYTHING = st.one_of(
    st.binary(max_size=2_000),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
)


def survives(parser: Parser, raw: bytes) -> None:
    """Parse, and let nothing out but what the parser says it raises."""
    began, refused = time.monotonic(), None
    try:
        parser.parse(raw)
    except parser.raises as error:
        refused = error
    assert time.monotonic() - began < HANG_S
    if refused is not None:
        assert isinstance(refused, SurefootError)
        assert refused.kind
        assert len(refused.message) < 5_000, "an error must not carry the attacker's bytes into the log"


def bent(honest: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """Replace pieces: (where, how many bytes, with what)."""
    for where, count, piece in cuts:
        at = where % (len(honest) + 1)
        honest = honest[:at] + piece + honest[at + count :]
    return honest


CUTS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4)


def test_every_message_has_a_row() -> None:
    assert {f"message {cls.__name__}" for cls in message_classes()} <= set(PARSERS)


@pytest.mark.parametrize("name", NAMES)
def test_honest_bytes_do_not_harm(name: str) -> None:
    survives(PARSERS[name], PARSERS[name].honest)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_harms_no_parser_and_takes_no_more_than_the_capped_memory(seed: str) -> None:
    for name in NAMES:
        tracemalloc.start()
        try:
            survives(PARSERS[name], SEEDS[seed])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < CAP_BYTES, name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_bent_and_random_bytes_harm_no_parser(name: str) -> None:
    parser = PARSERS[name]
    examples = (5 if parser.slow else 60) * FACTOR

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=FACTOR == 1)
    @given(st.one_of(CUTS.map(lambda cuts: bent(parser.honest, cuts)), ANYTHING))
    def attack(raw: bytes) -> None:
        survives(parser, raw)

    attack()
    assert examples
