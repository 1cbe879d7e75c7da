"""Counters of ended attempts: what is added is what is taken away, and every phase counts what ended in it."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.rollouts.tally import Ended, count, counts_in, outcomes
from surefoot_shared.status import Outcome
from tests.server.rollouts.world import START

BEGUN = [START, START + timedelta(hours=1), None]


def test_an_attempt_counts_in_its_own_phase_and_in_later_ones_that_had_begun_when_it_ended() -> None:
    assert counts_in(0, START + timedelta(minutes=5), BEGUN) == [0]
    assert counts_in(0, START + timedelta(hours=1), BEGUN) == [0, 1]
    assert counts_in(1, START + timedelta(hours=9), BEGUN) == [1]


def test_an_outcome_that_is_corrected_moves_from_one_counter_to_the_other() -> None:
    whole: dict[str, int] = {}
    phases: list[dict[str, int]] = [{}, {}, {}]
    lost = Ended(0, Outcome.LOST, START)

    count(whole, phases, BEGUN, lost, 1)
    count(whole, phases, BEGUN, lost, -1)
    count(whole, phases, BEGUN, Ended(0, Outcome.COMMITTED, START + timedelta(hours=2)), 1)

    assert whole == {"committed": 1}
    assert phases == [{"committed": 1}, {"committed": 1}, {}]


def test_an_order_to_go_back_counts_in_no_phase() -> None:
    whole: dict[str, int] = {}
    phases: list[dict[str, int]] = [{}, {}, {}]

    count(whole, phases, BEGUN, Ended(0, Outcome.COMMITTED, START, revert=True), 1)

    assert outcomes(whole) == {}
    assert outcomes(whole, reverts=True) == {Outcome.COMMITTED: 1}
    assert phases == [{}, {}, {}]
