from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from surefoot_agent.lanes import InlineLanes, Lane, Lanes, ThreadLanes

Got = tuple[object, BaseException | None]


@pytest.fixture(params=[InlineLanes, ThreadLanes])
def lanes(request: pytest.FixtureRequest) -> Iterator[Lanes]:
    made: Lanes = request.param()
    yield made
    made.stop()


@pytest.fixture
def threads() -> Iterator[ThreadLanes]:
    made = ThreadLanes()
    yield made
    made.stop()


def test_a_result_is_handed_back(lanes: Lanes) -> None:
    got: queue.Queue[Got] = queue.Queue()

    lanes.submit(Lane.LOOK, lambda: 42, lambda result, error: got.put((result, error)))

    assert got.get(timeout=10) == (42, None)


def test_an_exception_is_handed_back(lanes: Lanes) -> None:
    got: queue.Queue[Got] = queue.Queue()

    lanes.submit(Lane.LOOK, lambda: 1 / 0, lambda result, error: got.put((result, error)))

    result, error = got.get(timeout=10)
    assert result is None
    assert isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize("lane", [Lane.APP, Lane.FILES, Lane.TRUST])
def test_a_lane_that_changes_the_device_does_one_thing_after_the_other(threads: ThreadLanes, lane: Lane) -> None:
    got: queue.Queue[object] = queue.Queue()
    gate, running = threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        gate.wait(10)
        assert running == list(range(number + 1))
        return number

    for number in range(5):
        threads.submit(lane, lambda number=number: work(number), lambda result, error: got.put(error or result))
    gate.set()

    assert [got.get(timeout=10) for _ in range(5)] == [0, 1, 2, 3, 4]


def test_a_long_download_holds_up_no_other_lane(threads: ThreadLanes) -> None:
    gate = threading.Event()
    got: queue.Queue[object] = queue.Queue()
    threads.submit(Lane.FILES, lambda: gate.wait(10), lambda result, error: None)

    for lane in (Lane.APP, Lane.TRUST, Lane.LOOK):
        threads.submit(lane, lambda lane=lane: lane, lambda result, error: got.put(result))

    assert {got.get(timeout=10) for _ in range(3)} == {Lane.APP, Lane.TRUST, Lane.LOOK}
    gate.set()


def test_after_stop_nothing_that_waited_is_begun(threads: ThreadLanes) -> None:
    gate, begun = threading.Event(), []
    threads.submit(Lane.APP, lambda: gate.wait(10), lambda result, error: None)
    threads.submit(Lane.APP, lambda: begun.append(1), lambda result, error: None)

    threads.stop()
    gate.set()

    assert begun == []


def test_what_changes_one_component_waits_for_no_other(threads: ThreadLanes) -> None:
    gate, got = threading.Event(), queue.Queue[object]()

    threads.of("app").submit(Lane.FILES, lambda: gate.wait(10), lambda result, error: got.put("app"))
    threads.of("model").submit(Lane.FILES, lambda: None, lambda result, error: got.put("model"))

    assert got.get(timeout=10) == "model"
    gate.set()
    assert got.get(timeout=10) == "app"


def test_trust_is_one_lane_for_all_components(threads: ThreadLanes) -> None:
    order: list[str] = []
    done = queue.Queue[object]()
    for name in ("app", "model", "app"):
        threads.of(name).submit(Lane.TRUST, lambda name=name: order.append(name), lambda result, error: done.put(error))
    for _ in range(3):
        assert done.get(timeout=10) is None

    assert order == ["app", "model", "app"]
