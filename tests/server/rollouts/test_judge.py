"""Verdicts: exact bounds, tripwires, and the many ways in which there is not enough to go on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot_server.rollouts.judge import Counts, judge, measure, surely_above, trip_count
from surefoot_server.rollouts.policy import Gate, Objective, ObjectiveMetric
from surefoot_shared.status import Outcome, Verdict

FAILED_2 = Objective(ObjectiveMetric.FAILED, 0.02, 0.9)
ONLY_FAILED = Gate(objectives=(FAILED_2,))


def counts(members: int, due: int | None = None, **outcomes: int) -> Counts:
    due = members if due is None else due
    return Counts(members, due, due, {Outcome(name): n for name, n in outcomes.items()})


def tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of a binomial, from its definition."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


def test_twenty_devices_trip_at_two_failures_and_one_is_inconclusive() -> None:
    one = judge(ONLY_FAILED, 1, counts(20, committed=19, failed=1))
    two = judge(ONLY_FAILED, 1, counts(20, committed=18, failed=2))

    assert (one.verdict, two.verdict) == (Verdict.HOLD, Verdict.FAIL)
    assert not one.wait
    assert "not surely" in one.reason


def test_a_clean_phase_passes_without_proving_the_rate_below_its_limit() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, committed=20))

    assert found.verdict is Verdict.PASS


def test_a_rate_below_its_limit_passes_although_some_failed() -> None:
    assert judge(ONLY_FAILED, 1, counts(1000, committed=985, failed=15)).verdict is Verdict.PASS


def test_a_rate_slightly_above_its_limit_in_a_large_phase_is_held() -> None:
    assert judge(ONLY_FAILED, 1, counts(1000, committed=978, failed=22)).verdict is Verdict.HOLD


def test_no_data_is_hold_and_never_pass() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, due=0))

    assert (found.verdict, found.wait) == (Verdict.HOLD, True)


def test_too_few_reports_are_hold_and_may_still_come() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, committed=17))

    assert (found.verdict, found.wait, found.needed) == (Verdict.HOLD, True, 18)


def test_refusals_are_no_evidence_about_the_release() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, refused=20))

    assert found.verdict is Verdict.HOLD
    assert found.counts.reported == 0


def test_a_phase_in_which_nobody_committed_does_not_pass_on_acknowledged_failures() -> None:
    found = judge(ONLY_FAILED, 1, counts(2, failed=2), {"failed": 2})

    assert (found.verdict, found.reason) == (Verdict.HOLD, "no device has committed it")


def test_one_of_one_is_not_a_hundred_percent_where_the_policy_wants_twenty() -> None:
    found = judge(ONLY_FAILED, 20, counts(20, due=1, committed=1))

    assert (found.verdict, found.needed) == (Verdict.HOLD, 18)


def test_a_minimum_beyond_the_phase_asks_for_no_more_than_there_are() -> None:
    assert judge(ONLY_FAILED, 20, counts(3, committed=3)).verdict is Verdict.PASS


def test_a_failure_outweighs_missing_reports() -> None:
    assert judge(ONLY_FAILED, 1, counts(20, failed=2)).verdict is Verdict.FAIL


def test_a_tripwire_counts_in_small_phases_only() -> None:
    wire = Objective(ObjectiveMetric.LOST, 0.5, 0.9, tripwire=1)

    assert measure(wire, counts(50, committed=49, lost=1)).verdict is Verdict.FAIL
    assert measure(wire, counts(51, committed=50, lost=1)).verdict is Verdict.PASS


def test_acknowledged_failures_do_not_count_again_and_new_ones_do() -> None:
    seen = {"failed": 2}

    assert judge(ONLY_FAILED, 1, counts(40, committed=38, failed=2), seen).verdict is Verdict.PASS
    assert judge(ONLY_FAILED, 1, counts(40, committed=36, failed=4), seen).verdict is Verdict.HOLD
    assert judge(ONLY_FAILED, 1, counts(40, committed=35, failed=5), seen).verdict is Verdict.FAIL


def test_a_verdict_carries_its_numbers() -> None:
    found = measure(FAILED_2, counts(20, committed=18, failed=2))

    assert (found.count, found.due, found.limit, found.confidence, found.trips_at) == (2, 20, 0.02, 0.9, 2)
    assert found.rate == pytest.approx(0.1)
    assert found.surely_above == pytest.approx(0.0269, abs=1e-4)
    assert "2 of 20 devices failed (10.0%), surely more than 2.7% at 90% confidence" in found.reason


@pytest.mark.parametrize(
    ("n", "limit", "confidence", "count"), [(20, 0.02, 0.9, 2), (3, 0.01, 0.9, 1), (200, 0.02, 0.9, 8)]
)
def test_the_trip_count_is_what_the_tables_say(n: int, limit: float, confidence: float, count: int) -> None:
    assert trip_count(n, Objective(ObjectiveMetric.FAILED, limit, confidence)) == count


def test_where_no_count_can_trip_it_says_so() -> None:
    assert trip_count(1, Objective(ObjectiveMetric.FAILED, 0.5, 0.9)) is None
    assert trip_count(0, FAILED_2) is None


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 120), k=st.integers(0, 120), confidence=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_the_bound_is_the_rate_at_which_so_many_failures_become_plausible(n: int, k: int, confidence: float) -> None:
    k = min(k, n)

    bound = surely_above(k, n, confidence)

    assert 0 <= bound <= k / n
    if k:
        assert tail(k, n, bound) == pytest.approx(1 - confidence, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 300), limit=st.sampled_from([0.005, 0.01, 0.02, 0.1, 0.5]), wire=st.sampled_from([None, 1, 3]))
def test_the_trip_count_is_the_smallest_count_that_fails(n: int, limit: float, wire: int | None) -> None:
    objective = Objective(ObjectiveMetric.FAILED, limit, 0.9, wire)

    trips = trip_count(n, objective)

    fails = [k for k in range(1, n + 1) if measure(objective, counts(n, failed=k)).verdict is Verdict.FAIL]
    assert trips == (fails[0] if fails else None)
