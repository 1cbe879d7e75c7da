"""A glance at a world says how far it is; between two of them nothing is looked at."""

from __future__ import annotations

from surefoot_simulators.world.glance import Glance, glance, watcher
from surefoot_simulators.world.world import World


def test_a_glance_counts_what_runs_and_who_is_at_it(played: World) -> None:
    found = glance(played)

    assert (found.seconds, found.runs, found.busy) == (3000.0, (("1.0", 1), ("1.1", 3)), 0)
    assert found.words == "    0.8 h  1.0: 1  1.1: 3  at it: 0"


def test_it_is_told_when_time_has_passed_on_both_clocks(played: World) -> None:
    told: list[Glance] = []
    wall = iter([0.0, 0.0, 0.1, 5.0, 5.0])
    watch = watcher(told.append, now_s=lambda: next(wall))
    at = played.queue.now
    try:
        for now in (0.0, 1.0, 100.0, 200.0, 201.0):
            played.queue.now = now
            watch(played)
    finally:
        played.queue.now = at

    assert [each.seconds for each in told] == [0.0, 200.0]
