from __future__ import annotations

import pytest

from surefoot_agent.download.plan import Able, Way, plan
from surefoot_agent.ports import Piece
from surefoot_shared.messages import Pack
from surefoot_shared.pack import PACK_LIMIT_BYTES, WHOLE, Encoding

OLD, NEW = "a" * 64, "b" * 64
MB = 1_000_000
ABLE = Able((Encoding.XZ, Encoding.ZSTD, Encoding.IDENTITY), True, OLD, PACK_LIMIT_BYTES)
MISSING = [Piece(f"lib/{n}", f"{n:064x}", 10 * MB, 0, 10 * MB) for n in range(3)]


def pack(size: int, start: str = OLD, encoding: Encoding = Encoding.XZ, name: str = "c") -> Pack:
    return Pack(start, NEW, name * 64, size, encoding, 3 * size)


DELTA, WHOLE_1, WHOLE_2 = pack(MB), pack(6 * MB, WHOLE, name="d"), pack(5 * MB, WHOLE, name="e")


def test_where_nothing_is_missing_nothing_is_fetched() -> None:
    chosen = plan([], 30 * MB, [DELTA], True, ABLE)

    assert (chosen.steps, chosen.sentence()) == ((), "It fetches nothing: 30.0 MB held.")


def test_a_pack_from_what_the_other_slot_holds_comes_first() -> None:
    chosen = plan(MISSING, 70 * MB, [DELTA, WHOLE_1, WHOLE_2], True, ABLE)

    assert chosen.packs == (DELTA,)
    assert [step.way for step in chosen.steps] == [Way.PATCHED]
    assert chosen.sentence() == "It fetches about 1.0 MB: 1.0 MB patched, 70.0 MB held."


@pytest.mark.parametrize(
    ("able", "why"),
    [
        (Able(ABLE.encodings, True, NEW, ABLE.room_bytes), "does not hold"),
        (Able(ABLE.encodings, False, OLD, ABLE.room_bytes), "no library that patches"),
    ],
)
def test_what_cannot_be_patched_here_comes_in_packs_of_the_whole(able: Able, why: str) -> None:
    chosen = plan(MISSING, 0, [DELTA, WHOLE_1, WHOLE_2], True, able)

    assert chosen.packs == (WHOLE_1, WHOLE_2)
    assert {step.way for step in chosen.steps} == {Way.PACKED}
    assert why in chosen.notes[0]


@pytest.mark.parametrize(
    ("able", "why"),
    [
        (Able((Encoding.IDENTITY,), True, OLD, ABLE.room_bytes), "cannot read"),
        (Able(ABLE.encodings, True, OLD, MB // 2), "no room"),
        (Able(), "does not hold"),
    ],
)
def test_where_no_pack_is_of_use_each_piece_comes_by_itself_and_it_is_said_why(able: Able, why: str) -> None:
    chosen = plan(MISSING, 0, [DELTA, WHOLE_1, WHOLE_2], False, able)

    assert [(step.way, step.size_bytes) for step in chosen.steps] == [(Way.PLAIN, 10 * MB)] * 3
    assert why in " ".join(chosen.notes)


def test_what_an_earlier_try_left_of_a_pack_is_not_counted_again() -> None:
    nearly = {WHOLE_1.sha256: 6 * MB - 10, WHOLE_2.sha256: 5 * MB - 10}

    chosen = plan(MISSING[:1], 0, [WHOLE_1, WHOLE_2], True, Able(ABLE.encodings, True, OLD, 1000), nearly)

    assert [(step.way, step.size_bytes) for step in chosen.steps] == [(Way.PACKED, 10)] * 2


def test_a_pack_that_costs_more_than_what_is_missing_is_left() -> None:
    chosen = plan(MISSING[:1], 0, [WHOLE_1, WHOLE_2], True, ABLE)

    assert [step.way for step in chosen.steps] == [Way.COMPRESSED]
    assert "cost more" in chosen.notes[0]


def test_packs_of_what_does_not_compress_are_not_refused_for_frames_that_would() -> None:
    dense = Pack(OLD, NEW, "c" * 64, 20 * MB, Encoding.XZ, 20 * MB + 4096)

    assert plan(MISSING, 0, [dense], True, ABLE).packs == (dense,)
    assert plan(MISSING, 0, [pack(20 * MB)], True, ABLE).packs == ()


def test_what_comes_by_itself_is_estimated_by_how_packs_of_the_release_compress() -> None:
    dense = Pack(WHOLE, NEW, "c" * 64, 90 * MB, Encoding.XZ, 100 * MB)

    chosen = plan(MISSING, 70 * MB, [dense], True, ABLE)

    assert (chosen.packs, chosen.size_bytes) == ((), 27 * MB)
    assert {step.way for step in chosen.steps} == {Way.COMPRESSED}  # each has a frame only where it saves something


def test_packs_that_belong_together_are_taken_together_or_not_at_all() -> None:
    chosen = plan(MISSING, 0, [WHOLE_1, pack(MB, WHOLE, Encoding.ZSTD)], False, Able((Encoding.XZ,), True, OLD, 9**9))

    assert chosen.packs == ()


def test_an_encoding_of_later_days_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    later = Pack(OLD, NEW, "c" * 64, MB, "brotli", MB)  # type: ignore[arg-type]

    assert "brotli" in plan(MISSING, 0, [later], False, ABLE).notes[0]


@pytest.mark.parametrize(
    ("piece", "way"),
    [
        (Piece("small", "1" * 64, 4_000, 0, 4_000), Way.PLAIN),
        (Piece("large", "1" * 64, 40_000, 0, 40_000), Way.COMPRESSED),
        (Piece("a small part of a blob", "1" * 64, 40_000, 0, 4_000), Way.PLAIN),
        (Piece("most of a blob", "1" * 64, 40_000, 4_000, 40_000), Way.COMPRESSED),
        (Piece("more than may wait on disk", "1" * 64, 1 << 30, 0, 1 << 30), Way.PLAIN),
    ],
)
def test_a_frame_is_asked_for_where_it_saves_something(piece: Piece, way: Way) -> None:
    assert plan([piece], 0, [], True, ABLE).steps[0].way is way
    assert plan([piece], 0, [], False, ABLE).steps[0].way is Way.PLAIN


def test_the_same_values_make_the_same_plan() -> None:
    assert plan(MISSING, 1, [DELTA], True, ABLE) == plan(list(MISSING), 1, (DELTA,), True, ABLE)
