"""Costs of three fleet sizes become figures: the largest one's, and how flat they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import rollouts
from surefoot_simulators.bench.rollouts import Costs

SMALL = Costs(1_000, 0.1, 0.2, 10.0, 20.0, 200.0)
LARGE = Costs(100_000, 3.0, 9.0, 11.0, 25.0, 210.0)


def test_the_largest_fleet_is_measured_against_the_goals_and_the_smallest_one() -> None:
    figures = rollouts.figures([SMALL, LARGE])

    assert [f.value for f in figures] == [3.0, 25.0, 11.0, 1.25, 1.05]
    assert all(f.reached for f in figures)


def test_a_tick_that_grows_with_the_fleet_misses_its_goal() -> None:
    grown = Costs(100_000, 3.0, 9.0, 11.0, 400.0, 2_000.0)

    assert [f.reached for f in rollouts.figures([SMALL, grown])] == [True, False, True, False, False]


@pytest.mark.slow
def test_a_small_fleet_is_really_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "SIZES", (700, 1_400))

    figures = rollouts.measure(tmp_path, lambda _: None)

    assert all(f.value > 0 for f in figures)
