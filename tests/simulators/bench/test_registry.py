"""The list of benchmarks holds what the command offers."""

from __future__ import annotations

import pytest

from surefoot_simulators.bench.registry import BENCHMARKS


def test_the_first_figures_are_offered() -> None:
    assert {"assignment", "idle", "trust"} <= set(BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_says_what_it_measures(name: str) -> None:
    assert len(BENCHMARKS[name].about.split()) > 4
    assert callable(BENCHMARKS[name].measure)
