"""What a fleet on the wire took becomes figures beside the bare clients."""

from __future__ import annotations

from surefoot_simulators.bench import wire
from surefoot_simulators.bench.wire import Took

GOOD = Took(30.0, 50.0, 300.0, 10_000, 8_000, 10.0, 200.0, 20.0, 150.0)


def test_each_goal_is_judged_and_stands_beside_its_peer() -> None:
    figures = wire.figures(10_000, GOOD)

    assert [(f.value, f.reached) for f in figures] == [(30.0, True), (300.0, True), (1.0, True), (800.0, True)]
    assert figures[0].peers[0].value == 20.0
    assert figures[1].peers[0].value == 150.0


def test_a_slow_or_large_or_deaf_fleet_misses_its_goals() -> None:
    bad = Took(90.0, 99.0, 2000.0, 9_000, 100, 10.0, 200.0, 20.0, 150.0)

    assert not any(f.reached for f in wire.figures(10_000, bad))
