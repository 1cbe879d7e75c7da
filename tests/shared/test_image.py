"""A block index says of every block where it is, what it is, and in which chunk it travels; or it cannot be built."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from surefoot_shared.image import NO_BLOB, Image, joined, zero_digest

KIB = 1024
A, B, ZEROS, LAST = b"a" * 4 * KIB, b"b" * 4 * KIB, bytes(4 * KIB), b"z" * 512
BLOCKS = [A, ZEROS, B, ZEROS, ZEROS, LAST]
"""Two blocks a chunk: one of A, one of B, one of the last block; none is all zeros."""


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


IMAGE = Image(5 * 4 * KIB + 512, 4 * KIB, 2, joined(map(sha, BLOCKS)), joined([sha(A), sha(B), sha(LAST)]))


def test_every_block_has_its_place_and_length() -> None:
    index = IMAGE.index()

    assert (index.count, index.chunks) == (6, 3)
    assert [index.length(n) for n in range(6)] == [4096] * 5 + [512]


def test_a_block_is_known_by_its_very_bytes() -> None:
    index = IMAGE.index()

    assert [index.matches(n, content) for n, content in enumerate(BLOCKS)] == [True] * 6
    assert not index.matches(0, B)
    assert not index.matches(5, LAST + bytes(1))
    assert not index.matches(1, ZEROS[:-1])


def test_zeros_travel_in_no_chunk() -> None:
    index = IMAGE.index()

    assert [index.is_zero(n) for n in range(6)] == [False, True, False, True, True, False]
    assert [index.blob(c).blocks for c in range(3)] == [(0,), (2,), (5,)]
    assert [(b.sha256, b.size_bytes) for b in index.blobs()] == [
        (sha(A).hex(), 4096),
        (sha(B).hex(), 4096),
        (sha(LAST).hex(), 512),
    ]


def test_a_chunk_of_zeros_is_never_fetched() -> None:
    image = Image(4096, 4096, 1, joined([zero_digest(4096)]), joined([NO_BLOB]))

    assert list(image.index().blobs()) == []
    assert image.index().blob(0).size_bytes == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"size_bytes": 0},
        {"size_bytes": -512},
        {"size_bytes": 20481},
        {"size_bytes": 1 << 50},
        {"size_bytes": 4096},
        {"block_bytes": 2048},
        {"block_bytes": 5000},
        {"block_bytes": 1 << 21},
        {"chunk_blocks": 0},
        {"chunk_blocks": 1 << 20},
        {"blocks": ""},
        {"blocks": "not base64!"},
        {"blocks": joined(map(sha, BLOCKS[:-1]))},
        {"blocks": joined(map(sha, [*BLOCKS, A]))},
        {"chunks": joined([sha(A)])},
        {"chunks": "===="},
    ],
)
def test_an_index_that_makes_no_sense_cannot_be_built(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="image"):
        dataclasses.replace(IMAGE, **fields)


def test_an_image_beyond_four_gib_is_counted_right() -> None:
    count = 5 * (1 << 30) // (1 << 20)
    image = Image(5 << 30, 1 << 20, 4, joined([zero_digest(1 << 20)] * count), joined([NO_BLOB] * (count // 4)))

    assert (image.index().count, image.index().is_zero(count - 1)) == (5120, True)
