from __future__ import annotations

import pytest

from surefoot_agent.timers import CAP_S, IDLE_WAIT_S, Timers, full_jitter


class Now:
    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def timers(now: Now) -> Timers:
    return Timers(now)


def ringing(timers: Timers) -> list[str]:
    return list(iter(timers.take_due, None))


def test_timers_ring_in_the_order_of_their_times_and_once(timers: Timers, now: Now) -> None:
    timers.set("late", 2.0)
    timers.set("early", 1.0)
    timers.set("never", 99.0)
    now.at += 5.0

    assert ringing(timers) == ["early", "late"]
    assert ringing(timers) == []
    assert timers.waits("never")


def test_a_timer_that_rings_can_drop_another_that_would_have_rung_with_it(timers: Timers, now: Now) -> None:
    timers.set("first", 1.0)
    timers.set("second", 1.5)
    now.at += 5.0

    assert timers.take_due() == "first"
    timers.drop("second")

    assert timers.take_due() is None


def test_setting_again_replaces_and_sooner_never_delays(timers: Timers, now: Now) -> None:
    timers.set("hello", 10.0)
    timers.sooner("hello", 20.0)
    assert timers.wait_s() == 10.0
    timers.sooner("hello", 5.0)
    assert timers.wait_s() == 5.0
    timers.set("hello", 30.0)
    assert timers.wait_s() == 30.0


def test_without_timers_the_wait_is_bounded(timers: Timers) -> None:
    assert timers.wait_s() == IDLE_WAIT_S


def test_a_timer_that_is_overdue_gives_no_negative_wait(timers: Timers, now: Now) -> None:
    timers.set("past", 1.0)
    now.at += 50.0

    assert timers.wait_s() == 0.0


@pytest.mark.parametrize(("tries", "ceiling_s"), [(0, 1.0), (3, 8.0), (50, CAP_S), (10_000, CAP_S)])
def test_the_back_off_is_jittered_over_its_whole_range_and_capped(tries: int, ceiling_s: float) -> None:
    assert full_jitter(tries, 1.0) == ceiling_s
    assert full_jitter(tries, 0.5) == ceiling_s / 2
    assert full_jitter(tries, 0.0) == 0.05


def test_what_the_server_asked_for_is_waited_in_full_before_the_jitter() -> None:
    assert full_jitter(0, 0.5, retry_after_s=30.0) == 30.5


def test_rescue_tries_within_seconds_at_first_and_becomes_slow() -> None:
    assert full_jitter(1, 1.0, slow=True) == 2.0
    assert full_jitter(30, 1.0, slow=True) == 600.0
