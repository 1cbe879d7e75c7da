"""Jobs run at their interval, whatever the last run did."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from surefoot_server.clock import Clock

WAIT_S = 20


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    yield made
    made.stop()


def test_a_job_runs_again_and_again(clock: Clock) -> None:
    runs = threading.Semaphore(0)
    clock.every(0.02, "tick", lambda: runs.release())
    clock.start()

    assert all(runs.acquire(timeout=WAIT_S) for _ in range(3))
    assert clock.problem() == ""
    assert clock.took_s()["tick"] >= 0


def test_a_server_that_does_not_lead_runs_only_what_is_everybodys() -> None:
    ran, mine = list[str](), threading.Semaphore(0)
    clock = Clock(lambda: False)
    clock.every(0.01, "tick", lambda: ran.append("tick"))
    clock.every(0.02, "revocation-list", lambda: mine.release(), everywhere=True)
    clock.start()

    assert all(mine.acquire(timeout=WAIT_S) for _ in range(5))
    clock.stop()
    assert ran == []


def test_a_job_that_failed_is_tried_again_and_told_of(clock: Clock) -> None:
    failed, worked, goes = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        if not goes.is_set():
            failed.set()
            raise OSError("the disk is full")
        worked.set()

    clock.every(0.02, "refresh", job)
    clock.start()
    assert failed.wait(WAIT_S)
    while not clock.problem():
        failed.wait(0.01)
    assert clock.problem() == "refresh failed: the disk is full"

    goes.set()
    assert worked.wait(WAIT_S)
    while clock.problem():
        failed.wait(0.01)


def test_a_slow_job_never_overlaps_itself(clock: Clock) -> None:
    inside, seen, go = threading.Semaphore(1), [], threading.Event()
    entered = threading.Semaphore(0)

    def job() -> None:
        seen.append(inside.acquire(blocking=False))
        entered.release()
        go.wait(0.1)
        inside.release()

    clock.every(0.01, "tick", job)
    clock.start()

    assert all(entered.acquire(timeout=WAIT_S) for _ in range(3))
    assert all(seen)


def test_stopping_waits_for_the_job_at_hand(clock: Clock) -> None:
    began, finish, done = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        began.set()
        finish.wait(WAIT_S)
        done.set()

    clock.every(0.01, "tick", job)
    clock.start()
    assert began.wait(WAIT_S)
    stopper = threading.Thread(target=clock.stop)
    stopper.start()
    assert not done.is_set()

    finish.set()
    stopper.join(WAIT_S)

    assert done.is_set()


def test_stopping_a_clock_that_never_started_is_harmless(clock: Clock) -> None:
    clock.stop()

    assert clock.took_s() == {}
