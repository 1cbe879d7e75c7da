"""A world is never ahead of its pace, and makes up for what it lost."""

from __future__ import annotations

from surefoot_simulators.world.events import EventQueue
from surefoot_simulators.world.pace import Pace


class Wall:
    """A clock that moves by sleeping, and by what the machine takes for an event."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def played(speed: float, slow_s: float = 0.0) -> list[tuple[float, float]]:
    """(time of the world, seconds on the wall) of events at 10, 20 and 60; the first takes so long."""
    wall, queue, happened = Wall(), EventQueue(), list[tuple[float, float]]()
    queue.pace = Pace(speed, wall, wall.sleep)

    def note() -> None:
        happened.append((queue.now, wall.now - 100.0))
        wall.now += slow_s if len(happened) == 1 else 0.0

    for t in (10.0, 20.0, 60.0):
        queue.at(t, note)
    queue.run(60.0)
    return happened


def test_real_time_and_ten_times_as_fast_play_the_same() -> None:
    assert played(1.0) == [(10.0, 10.0), (20.0, 20.0), (60.0, 60.0)]
    assert played(10.0) == [(10.0, 1.0), (20.0, 2.0), (60.0, 6.0)]


def test_a_machine_that_is_late_makes_up_for_it() -> None:
    assert played(1.0, slow_s=30.0) == [(10.0, 10.0), (20.0, 40.0), (60.0, 60.0)]
