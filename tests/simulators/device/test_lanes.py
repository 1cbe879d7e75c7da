"""Work that copies files sleeps in the world's time and ends with the machine; everything else is done on the spot."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surefoot_agent.lanes import Lane
from surefoot_agent.reset_cause import Cause
from surefoot_simulators.device.board import End, Ended
from surefoot_simulators.device.lanes import SleepingLanes


class Queue:
    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.waiting.append((seconds, act))

    def next(self) -> float:
        seconds, act = self.waiting.pop(0)
        act()
        return seconds


class Desk:
    def __init__(self) -> None:
        self.queue, self.stirs = Queue(), 0
        self.done: list[object] = []
        self.ends: list[Ended] = []
        self.lanes = SleepingLanes(self.queue.later, self.stir, self.ends.append)

    def stir(self) -> None:
        self.stirs += 1

    def take(self, result: object, error: BaseException | None) -> None:
        self.done.append(error or result)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_work_that_sleeps_comes_back_when_its_time_is_over(desk: Desk) -> None:
    def copy() -> str:
        desk.lanes.nap(20.0)
        desk.lanes.nap(5.0)
        return "copied"

    desk.lanes.submit(Lane.FILES, copy, desk.take)
    naps = [desk.queue.next(), desk.queue.next()]

    assert naps == [20.0, 5.0]
    assert desk.done == ["copied"]
    assert desk.stirs == 2


def test_other_work_is_done_on_the_spot(desk: Desk) -> None:
    desk.lanes.submit(Lane.APP, lambda: "started", desk.take)

    assert desk.done == ["started"]
    assert desk.queue.waiting == []


def test_an_error_comes_back_as_one(desk: Desk) -> None:
    def copy() -> None:
        desk.lanes.nap(1.0)
        raise OSError("gone")

    desk.lanes.submit(Lane.FILES, copy, desk.take)
    desk.queue.next()

    assert isinstance(desk.done[0], OSError)


def test_what_sleeps_ends_with_the_machine_and_says_nothing(desk: Desk) -> None:
    cleaned: list[str] = []

    def copy() -> None:
        try:
            desk.lanes.nap(20.0)
        finally:
            cleaned.append("up")

    desk.lanes.submit(Lane.FILES, copy, desk.take)
    desk.lanes.end()
    desk.queue.next()

    assert cleaned == ["up"]
    assert desk.done == []


def test_the_end_of_the_machine_reaches_whoever_steps_it(desk: Desk) -> None:
    def copy() -> None:
        desk.lanes.nap(1.0)
        raise Ended(End(Cause.POWER_CUT))

    desk.lanes.submit(Lane.FILES, copy, desk.take)

    desk.queue.next()

    assert [ended.end.cause for ended in desk.ends] == [Cause.POWER_CUT]
    assert desk.stirs == 0
