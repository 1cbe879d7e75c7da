"""Events happen in the order of their time and, at one time, of their saying."""

from __future__ import annotations

from surefoot_simulators.world.events import EventQueue


def test_events_happen_in_order_and_those_of_one_time_as_they_were_said() -> None:
    queue, happened = EventQueue(), list[tuple[str, float]]()
    for name, after_s in (("late", 5.0), ("first", 1.0), ("second", 1.0)):
        queue.later(after_s, lambda name=name: happened.append((name, queue.now)))  # type: ignore[misc]

    queue.run(10.0)

    assert happened == [("first", 1.0), ("second", 1.0), ("late", 5.0)]
    assert queue.now == 10.0


def test_what_comes_after_the_end_is_left() -> None:
    queue, happened = EventQueue(), list[float]()
    queue.at(20.0, lambda: happened.append(queue.now))

    queue.run(10.0)
    before = list(happened)
    queue.run(30.0)

    assert (before, happened) == ([], [20.0])


def test_it_ends_as_soon_as_it_is_over() -> None:
    queue, happened = EventQueue(), list[float]()
    for t in (1.0, 2.0, 3.0):
        queue.at(t, lambda: happened.append(queue.now))

    queue.run(10.0, lambda: len(happened) == 2)

    assert happened == [1.0, 2.0]
