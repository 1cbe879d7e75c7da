from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence

import pytest

from surefoot_agent.slots import verified as module
from surefoot_agent.slots.verified import Block, verified
from surefoot_shared.errors import SurefootError, Unreachable
from tests.agent.images import BLOCK, image_release

COUNT = 300
CONTENT = random.Random(1).randbytes(COUNT * BLOCK)
IMAGE = image_release(CONTENT).manifest.image
assert IMAGE is not None
INDEX = IMAGE.index()


def blocks(wrong: Sequence[int] = (), fails_at: int = COUNT) -> Iterator[Block]:
    for number in range(COUNT):
        if number == fails_at:
            raise Unreachable("unreachable", "gone")
        content = CONTENT[number * BLOCK : (number + 1) * BLOCK]
        yield number, memoryview(content if number not in wrong else content[::-1])


def until_it_ends(source: Iterator[Block]) -> tuple[list[int], str]:
    passed = []
    try:
        for number, content in verified(INDEX, source):
            assert content == CONTENT[number * BLOCK : (number + 1) * BLOCK]
            passed.append(number)
    except SurefootError as error:
        return passed, error.kind
    return passed, ""


def test_what_matches_comes_out_whole_and_in_order() -> None:
    assert until_it_ends(blocks()) == (list(range(COUNT)), "")
    assert until_it_ends(iter(())) == ([], "")


@pytest.mark.parametrize("wrong", [0, 1, 63, 64, 150, COUNT - 1])
def test_nothing_comes_after_a_block_that_does_not_match(wrong: int) -> None:
    assert until_it_ends(blocks([wrong, wrong + 7])) == (list(range(wrong)), "artifact_corrupt")


@pytest.mark.parametrize("at", [0, 1, 63, 64, 65, 299])
def test_what_a_source_brought_before_it_failed_comes_out_first(at: int) -> None:
    assert until_it_ends(blocks(fails_at=at)) == (list(range(at)), "unreachable")


def test_a_wrong_block_before_the_failure_outweighs_it() -> None:
    assert until_it_ends(blocks([20], fails_at=30)) == (list(range(20)), "artifact_corrupt")


def test_no_more_is_taken_from_the_source_than_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_BYTES", 2 * BLOCK)
    taken = 0

    def counted() -> Iterator[Block]:
        nonlocal taken
        for block in blocks():
            taken += 1
            yield block

    passing = verified(INDEX, counted())
    next(passing)

    assert taken == 2 * (module.AHEAD + 1)
    passing.close()


def test_a_consumer_that_goes_away_ends_the_threads() -> None:
    before = threading.active_count()
    passing = verified(INDEX, blocks())
    next(passing)
    assert threading.active_count() > before

    passing.close()

    assert threading.active_count() == before
