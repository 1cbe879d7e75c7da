"""A pack's index says how to make what from what, within bounds; everything else is refused before it costs memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_shared import pack
from surefoot_shared.errors import Invalid
from surefoot_shared.pack import Base, Member, MemberKind, PackIndex

ONE, TWO = "1" * 64, "2" * 64
MIB = 1024 * 1024
INDEX = PackIndex(
    ONE,
    TWO,
    (
        Member(0, 0, 5, MemberKind.PLAIN, 5),
        Member(3, 0, 16 * MIB, MemberKind.HDIFFPATCH, 900, (Base(4, 0, 20 * MIB), Base(7, 12, 4096))),
        Member(3, 16 * MIB, 100, MemberKind.HDIFFPATCH, 60, (Base(4, 20 * MIB, 90),)),
    ),
)
GOLDEN = Path(__file__).with_name("golden") / "pack_index.bin"


def said(**changes: object) -> bytes:
    value: dict[str, Any] = json.loads(pack.index_bytes(INDEX)[pack.HEAD_BYTES :])
    return json.dumps(value | changes).encode()


def test_the_beginning_of_a_pack_has_the_bytes_of_its_golden_file() -> None:
    assert pack.index_bytes(INDEX) == GOLDEN.read_bytes()


def test_an_index_is_read_back_as_the_value_it_was_made_of() -> None:
    raw = GOLDEN.read_bytes()
    length = pack.index_length(raw[: pack.HEAD_BYTES])

    assert len(raw) == pack.HEAD_BYTES + length
    assert pack.parse_index(raw[pack.HEAD_BYTES :]) == INDEX
    assert INDEX.payload_bytes == 965


def test_a_field_that_a_later_version_adds_to_the_index_is_ignored() -> None:
    assert pack.parse_index(said(later=[1])) == INDEX


@pytest.mark.parametrize(
    "head",
    [b"", b"SFP1", b"SFP2\0\0\0\x10", b"SFP1\0\0\0\0", b"SFP1\xff\xff\xff\xff", b"SFP1\0\0\0\x10\0"],
    ids=["empty", "short", "other magic", "no index", "too long an index", "more than a head"],
)
def test_what_does_not_begin_like_a_pack_is_refused(head: bytes) -> None:
    with pytest.raises(Invalid, match="The pack is malformed"):
        pack.index_length(head)


@pytest.mark.parametrize(
    "member",
    [
        [0, 0, 5, "plain", 4, []],
        [0, 0, 5, "plain", 5, [[0, 0, 5]]],
        [0, 0, 0, "plain", 0, []],
        [-1, 0, 5, "plain", 5, []],
        [0, -1, 5, "plain", 5, []],
        [0, 1 << 63, 5, "hdiffpatch", 5, []],
        [0, 0, 33 * MIB, "hdiffpatch", 5, [[0, 0, 5]]],
        [0, 0, 5, "hdiffpatch", 5, [[0, 0, 80 * MIB]]],
        [0, 0, 5, "hdiffpatch", 5, [[0, 0, 0]]],
        [0, 0, 5, "hdiffpatch", 5, [[0, 0]]],
        [0, 0, 5, "hdiffpatch", 5, [5]],
        [0, 0, 5, "hdiffpatch", 5, None],
        [0, 0, 5, "exec", 5, []],
        [0, 0, True, "plain", 1, []],
        [0, 0, 5.0, "plain", 5, []],
        [0, 0, 5, "plain"],
        {"target": 0},
    ],
    ids=str,
)
def test_a_member_out_of_bounds_is_refused(member: object) -> None:
    with pytest.raises(Invalid, match="The pack is malformed"):
        pack.parse_index(said(members=[member]))


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": None},
        {"from": "x"},
        {"from": 5},
        {"from": ""},
        {"to": ""},
        {"members": []},
        {"members": "x"},
        {"members": [[1, 0, 1, "plain", 1, []], [0, 0, 1, "plain", 1, []]]},
        {"members": [[1, 0, 2, "plain", 2, []], [1, 1, 1, "plain", 1, []]]},
        {"members": [[1, 0, 2, "plain", 2, []], [1, 3, 1, "plain", 1, []]]},
    ],
    ids=str,
)
def test_an_index_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="The pack is malformed"):
        pack.parse_index(said(**changes))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_index_are_refused_and_nothing_worse(raw: bytes) -> None:
    with pytest.raises(Invalid):
        pack.parse_index(raw)


def test_chunk_0_is_the_highest_bit_of_a_bitmap() -> None:
    assert pack.bitmap([0, 9], 10) == "gEA="


@given(st.integers(1, 300).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))))
def test_a_bitmap_says_the_numbers_it_was_made_of(case: tuple[int, set[int]]) -> None:
    count, numbers = case

    assert pack.parse_bitmap(pack.bitmap(numbers, count), count) == tuple(sorted(numbers))


@pytest.mark.parametrize("text", ["", "gA==", "gEAA", "*", "gEA"])
def test_a_bitmap_of_another_length_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="bitmap"):
        pack.parse_bitmap(text, 10)
