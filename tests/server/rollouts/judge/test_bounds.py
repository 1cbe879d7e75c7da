"""Exact bounds, checked against the binomial itself, and the counts at which a phase trips."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot_server.rollouts.gate import Objective, ObjectiveMetric
from surefoot_server.rollouts.judge.bounds import clean_devices, proved_below, surely_above, trip_count
from surefoot_server.rollouts.judge.rates import Counts, measure
from surefoot_shared.status import Outcome, Verdict

FAILED_2 = Objective(ObjectiveMetric.FAILED, 0.02, 0.9)


def tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of a binomial, from its definition."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize(
    ("n", "limit", "confidence", "count"), [(20, 0.02, 0.9, 2), (3, 0.01, 0.9, 1), (200, 0.02, 0.9, 8)]
)
def test_the_trip_count_is_what_the_tables_say(n: int, limit: float, confidence: float, count: int) -> None:
    assert trip_count(n, Objective(ObjectiveMetric.FAILED, limit, confidence)) == count


def test_where_no_count_can_trip_it_says_so() -> None:
    assert trip_count(1, Objective(ObjectiveMetric.FAILED, 0.5, 0.9)) is None
    assert trip_count(0, FAILED_2) is None
    assert trip_count(20, Objective(ObjectiveMetric.FAILED, 0.02, 0.9, dry_run=True)) is None


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

    fails = [
        k for k in range(1, n + 1) if measure(objective, Counts(n, n, n, {Outcome.FAILED: k})).verdict is Verdict.FAIL
    ]
    assert trips == (fails[0] if fails else None)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 120), k=st.integers(0, 120), confidence=st.sampled_from([0.8, 0.9, 0.95]))
def test_the_upper_bound_is_the_rate_at_which_so_few_failures_become_implausible(
    n: int, k: int, confidence: float
) -> None:
    k = min(k, n)

    bound = proved_below(k, n, confidence)

    assert k / n <= bound <= 1
    if k < n:
        assert 1 - tail(k + 1, n, bound) == pytest.approx(1 - confidence, abs=1e-6)


@pytest.mark.parametrize(("n", "percent"), [(10, 25.9), (20, 13.9), (50, 5.8), (100, 3.0), (300, 1.0)])
def test_what_devices_without_a_failure_prove_is_what_the_tables_say(n: int, percent: float) -> None:
    assert 100 * proved_below(0, n, 0.95) == pytest.approx(percent, abs=0.06)


def test_two_percent_at_ninety_takes_114_clean_devices_and_nothing_less() -> None:
    proof = Objective(ObjectiveMetric.FAILED, None, 0.9, pass_if_proved_below=0.02)

    assert clean_devices(proof) == 114
    assert proved_below(0, 114, 0.9) < 0.02 < proved_below(0, 113, 0.9)
    assert clean_devices(FAILED_2) is None


@pytest.mark.slow
def test_the_server_starts_without_the_statistics() -> None:
    look = "import sys, surefoot_server.up; print(sorted({'scipy', 'numpy'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout == "[]\n"
