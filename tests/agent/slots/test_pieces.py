from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_agent.slots import pieces
from surefoot_agent.slots.pieces import first_left, pieces_of, runs_left, whole_blocks
from surefoot_agent.slots.progress import Progress
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.image import Index
from tests.agent.images import BLOCK, CHUNK_BLOCKS, image_release


def index_of(kinds: str) -> Index:
    """A block for each sign: `0` for zeros, any other for a block of its own."""
    content = b"".join(bytes(BLOCK) if k == "0" else hashlib.sha256(k.encode()).digest() * (BLOCK // 32) for k in kinds)
    made = image_release(content)
    assert made.manifest.image is not None
    return made.manifest.image.index()


def progress_of(index: Index, there: str) -> Progress:
    return Progress("d", bytearray(int(sign) for sign in there))


def named(index: Index, there: str) -> list[tuple[str, int, int]]:
    return [(p.name, p.begin // BLOCK, p.end // BLOCK) for p in pieces_of(index, progress_of(index, there))]


def test_the_first_block_is_the_last_piece() -> None:
    assert named(index_of("abcdef"), "000000") == [("blocks 1 to 3", 1, 4), ("blocks 4 to 5", 0, 2), ("block 0", 0, 1)]


def test_a_chunk_that_is_in_place_is_no_piece() -> None:
    assert named(index_of("abcdefghi"), "111111110") == [("block 8", 0, 1)]
    assert named(index_of("abcd"), "1111") == []


def test_zeros_take_no_place_in_a_chunk() -> None:
    index = index_of("0b0d0000")

    assert named(index, "00000000") == [("blocks 1 to 3", 0, 2), ("blocks 4 to 7", 0, 0), ("block 0", 0, 0)]


@given(st.text("0abcdefgh", min_size=1, max_size=3 * CHUNK_BLOCKS), st.data())
def test_every_carried_block_that_is_missing_is_in_exactly_one_run(kinds: str, data: st.DataObject) -> None:
    index = index_of(kinds)
    there = data.draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    progress = Progress("d", bytearray(there))

    runs = [run for piece in pieces_of(index, progress) for run in runs_left(index, progress, piece)]

    taken = [b for run in runs for b, _ in first_left(index, progress, run) if not progress.has(b)]
    assert sorted(taken) == [b for b in range(index.count) if not there[b] and not index.is_zero(b)]
    assert all(0 <= run.begin < run.end <= run.blob_bytes for run in runs)


@pytest.mark.parametrize(("gap", "names"), [(BLOCK, ["block 0", "blocks 2 to 3"]), (2 * BLOCK, ["blocks 0 to 3"])])
def test_runs_that_lie_close_together_are_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch, gap: int, names: list[str]
) -> None:
    monkeypatch.setattr(pieces, "GAP_BYTES", gap - 1)
    index = index_of("abcd")
    progress = progress_of(index, "0100")
    whole = next(pieces_of(index, progress_of(index, "1000")))

    runs = runs_left(index, progress, type(whole)("all", whole.sha256, whole.blob_bytes, 0, whole.blob_bytes))

    assert [run.name for run in runs] == names


def cut(parts: list[bytes], lengths: list[int]) -> list[bytes]:
    found = list(whole_blocks(parts, list(enumerate(lengths)), "block 0"))
    assert [block for block, _ in found] == list(range(len(found)))
    return [bytes(content) for _, content in found]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 50))
def test_blocks_are_the_same_however_the_bytes_come(lengths: list[int], step: int) -> None:
    whole = bytes(n % 251 for n in range(sum(lengths)))
    parts = [whole[at : at + step] for at in range(0, len(whole), step)]

    found = cut(parts, lengths)

    assert [len(block) for block in found] == lengths
    assert b"".join(found) == whole


def test_a_byte_more_or_less_is_refused() -> None:
    with pytest.raises(InstallFailed, match="more than was signed"):
        cut([b"abcd", b"e"], [2, 2])
    with pytest.raises(Unreachable):
        cut([b"abc"], [2, 2])
