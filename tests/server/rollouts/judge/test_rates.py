"""Outcomes against an objective: the limit, the tripwire, the proof, and what was acknowledged."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts.gate import Objective, ObjectiveMetric
from surefoot_server.rollouts.judge.rates import Counts, measure
from surefoot_shared.status import Outcome, Verdict

FAILED_2 = Objective(ObjectiveMetric.FAILED, 0.02, 0.9)
PROOF = Objective(ObjectiveMetric.FAILED, None, 0.9, pass_if_proved_below=0.02)


def counts(members: int, due: int | None = None, **outcomes: int) -> Counts:
    due = members if due is None else due
    return Counts(members, due, due, {Outcome(name): n for name, n in outcomes.items()})


def test_a_tripwire_counts_in_small_phases_only() -> None:
    wire = Objective(ObjectiveMetric.LOST, 0.5, 0.9, tripwire=1)

    assert measure(wire, counts(50, committed=49, lost=1)).verdict is Verdict.FAIL
    assert measure(wire, counts(51, committed=50, lost=1)).verdict is Verdict.PASS


def test_a_verdict_carries_its_numbers() -> None:
    found = measure(FAILED_2, counts(20, committed=18, failed=2))

    assert (found.count, found.due, found.limit, found.confidence, found.trips_at) == (2, 20, 0.02, 0.9, 2)
    assert found.rate == pytest.approx(0.1)
    assert found.surely_above == pytest.approx(0.0269, abs=1e-4)
    assert "2 of 20 devices failed (10.0%), surely more than 2.7% at 90% confidence" in found.reason


def test_proved_below_is_another_thing_than_not_surely_above() -> None:
    assert measure(FAILED_2, counts(20, committed=20)).verdict is Verdict.PASS

    found = measure(PROOF, counts(20, committed=20))

    assert found.verdict is Verdict.HOLD
    assert "0 of 20 devices failed, so below 10.9% at 90% confidence, below 2.0% must be proved" in found.reason
    assert "by 114 devices without one" in found.reason
    assert measure(PROOF, counts(114, committed=114)).verdict is Verdict.PASS


def test_a_device_that_is_still_at_it_proves_nothing() -> None:
    assert measure(PROOF, counts(200, committed=100)).verdict is Verdict.HOLD
