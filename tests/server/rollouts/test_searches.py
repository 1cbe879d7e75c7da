"""Whoever connects is seen at the next look; everybody else within a minute."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.rollouts.searches import FULL_S, OVERLAP, Searches
from tests.server.rollouts.world import START


def test_the_first_look_and_the_first_of_a_phase_search_everybody() -> None:
    searches = Searches()
    assert searches.since("r1", 0, START) is None

    searches.note("r1", 0, START, anybody=False)

    assert searches.since("r1", 0, START + timedelta(seconds=1)) == START - OVERLAP
    assert searches.since("r1", 1, START + timedelta(seconds=1)) is None
    assert searches.since("r2", 0, START + timedelta(seconds=1)) is None


def test_while_somebody_waits_for_room_everybody_is_searched() -> None:
    searches = Searches()
    searches.note("r1", 0, START, anybody=False)

    searches.note("r1", 0, START, anybody=True)

    assert searches.since("r1", 0, START) is None


def test_everybody_is_searched_again_after_a_minute_however_many_looks_there_were() -> None:
    searches = Searches()
    for second in range(int(FULL_S)):
        searches.note("r1", 0, START + timedelta(seconds=second), anybody=False)

    assert searches.since("r1", 0, START + timedelta(seconds=FULL_S - 1)) is not None
    assert searches.since("r1", 0, START + timedelta(seconds=FULL_S)) is None
    assert searches.since("r1", 0, START - timedelta(days=1)) is None


def test_sleepers_of_rollouts_that_succeeded_are_searched_the_same_way() -> None:
    searches = Searches()

    assert searches.sleepers(START) is None
    assert searches.sleepers(START + timedelta(seconds=1)) == START - OVERLAP
    assert searches.sleepers(START + timedelta(seconds=FULL_S)) is None
