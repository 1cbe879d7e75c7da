from __future__ import annotations

import pytest

from surefoot_agent.reset_cause import Cause
from surefoot_agent.tries import TRIES, ceiling, counted, left, limit


def test_every_cause_has_its_tries_and_says_why() -> None:
    assert set(TRIES) == set(Cause)
    assert all(row.why.endswith(".") and row.times > 0 and row.most > 0 for row in TRIES.values())


def test_a_power_cut_uses_up_less_than_a_panic_or_a_watchdog() -> None:
    assert limit(Cause.POWER_CUT, 3) > limit(Cause.UNEXPLAINED, 3) > limit(Cause.PANIC, 3)
    assert limit(Cause.PANIC, 3) == limit(Cause.WATCHDOG, 3) == 2


def test_a_power_cut_takes_no_try_from_a_panic() -> None:
    falls = counted(counted({}, Cause.POWER_CUT), Cause.POWER_CUT)

    assert left(falls, Cause.PANIC, 3)
    assert not left(counted(falls, Cause.PANIC), Cause.PANIC, 3)


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("max_starts", [1, 3, 20])
def test_whatever_ends_the_starts_a_trial_ends(cause: Cause, max_starts: int) -> None:
    falls: dict[str, int] = {}
    while left(falls, cause, max_starts):
        falls = dict(counted(falls, cause))

    assert sum(falls.values()) + 1 == limit(cause, max_starts)


@pytest.mark.parametrize("max_starts", [1, 3, 20])
def test_causes_that_take_turns_end_at_the_guards_limit(max_starts: int) -> None:
    falls: dict[str, int] = {}
    causes = [Cause.POWER_CUT, Cause.CLEAN_RESTART, Cause.UNEXPLAINED, Cause.APPLICATION_DIED]
    while any(left(falls, cause, max_starts) for cause in causes):
        cause = next(cause for cause in causes if left(falls, cause, max_starts))
        falls = dict(counted(falls, cause))

    assert sum(falls.values()) + 1 <= ceiling(max_starts)


def test_the_guards_limit_is_the_loosest() -> None:
    assert ceiling(3) == limit(Cause.POWER_CUT, 3)


def test_a_device_told_to_try_once_tries_a_panic_once() -> None:
    assert not left({}, Cause.PANIC, 1)
    assert not left({}, Cause.UNEXPLAINED, 1)
