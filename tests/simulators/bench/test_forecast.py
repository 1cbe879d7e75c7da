"""What a forecast took becomes figures, and a small one is really measured in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import forecast
from surefoot_simulators.bench.forecast import Took

LARGE = Took(30.0, 300.0, 3_000_000, "succeeded")
ORDINARY = Took(10.0, 100.0, 600_000, "succeeded")


def test_seconds_and_memory_are_held_to_their_goals() -> None:
    figures = forecast.figures(LARGE, ORDINARY)

    assert [(f.value, f.reached) for f in figures] == [(30.0, True), (300.0, True), (0.1, True)]
    assert "100000 events a second" in figures[0].note


def test_a_forecast_that_takes_too_long_misses_its_goal() -> None:
    slow = Took(100.0, 3000.0, 1, "succeeded")

    assert [f.reached for f in forecast.figures(slow, ORDINARY)] == [False, False, True]


@pytest.mark.slow
@pytest.mark.soak
def test_a_small_forecast_is_really_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "LARGE", 2_000)
    monkeypatch.setattr(forecast, "ORDINARY", 200)
    monkeypatch.setattr(forecast, "RUNS", 2)

    figures = forecast.measure(tmp_path, lambda _: None)

    assert all(f.value > 0 for f in figures)
