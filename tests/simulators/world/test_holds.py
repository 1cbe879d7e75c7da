"""Of faults that overlap the latest counts, and in the end all is as before."""

from __future__ import annotations

from surefoot_simulators.world.events import EventQueue
from surefoot_simulators.world.holds import Holds


class Disk:
    def __init__(self) -> None:
        self.free = 64
        self.put_count = 0

    def put(self, free: int) -> None:
        self.free = free
        self.put_count += 1


def test_one_that_begins_while_another_is_on_neither_ends_it_nor_takes_it_for_how_things_were() -> None:
    queue, disk = EventQueue(), Disk()
    holds, seen = Holds(queue.later), []
    for at in (0.0, 20.0):
        queue.at(at, lambda: holds.hold("disk", 30.0, disk.free, 0, disk.put))
    for at in (10.0, 25.0, 40.0, 60.0):
        queue.at(at, lambda: seen.append(disk.free))

    queue.run(100.0)

    assert seen == [0, 0, 0, 64]
    assert disk.put_count == 2


def test_the_latest_counts_and_what_lasts_longer_comes_back_after_it() -> None:
    queue, disk = EventQueue(), Disk()
    holds, seen = Holds(queue.later), []
    queue.at(0.0, lambda: holds.hold("line", 100.0, 64, 10, disk.put))
    queue.at(10.0, lambda: holds.hold("line", 20.0, 64, 20, disk.put))
    for at in (5.0, 15.0, 50.0, 150.0):
        queue.at(at, lambda: seen.append(disk.free))

    queue.run(200.0)

    assert seen == [10, 20, 10, 64]


def test_without_a_time_it_stays_and_after_it_has_ended_the_next_begins_anew() -> None:
    queue, disk = EventQueue(), Disk()
    holds = Holds(queue.later)
    holds.hold("line", 0.0, 64, 10, disk.put)
    holds.hold("other", 5.0, 64, 20, disk.put)
    queue.run(10.0)
    assert disk.free == 64

    holds.hold("other", 5.0, 50, 20, disk.put)
    queue.run(20.0)

    assert disk.free == 50
