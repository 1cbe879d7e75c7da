from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_agent.holds import Holds, Moment, deferred, locked, why_held
from surefoot_shared.errors import Conflict

NOW = Moment(1000.0, "boot-1", "2030-01-01T12:00:00.000Z")
NONE = Holds()


def later(seconds: float) -> Moment:
    return replace(NOW, monotonic=NOW.monotonic + seconds, at="later")


def held(holds: Holds, now: Moment = NOW, start: str | None = "start-1") -> str | None:
    return why_held(holds, False, start, "a-1", now)


def test_a_lock_says_since_when_and_why() -> None:
    holds = locked(NONE, "start-1", 60.0, "recording", NOW)

    assert held(holds) == "the application holds a lock since 2030-01-01T12:00:00.000Z: recording"


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (later(61.0), "start-1"),
        (NOW, "start-2"),
        (NOW, None),
        (replace(NOW, boot_id="boot-2"), "start-1"),
    ],
    ids=["its time is over", "the application was started anew", "the application died", "the machine was restarted"],
)
def test_a_lock_ends_with_its_time_its_owner_and_its_boot(now: Moment, start: str | None) -> None:
    assert held(locked(NONE, "start-1", 60.0, "", NOW), now, start) is None


def test_renewing_a_lock_lengthens_it_and_keeps_when_it_began() -> None:
    holds = locked(locked(NONE, "start-1", 60.0, "", NOW), "start-1", 60.0, "", later(50.0))

    assert held(holds, later(100.0)) == "the application holds a lock since 2030-01-01T12:00:00.000Z"


def test_a_persons_lock_needs_no_application_and_has_no_end() -> None:
    assert "a person holds a lock" in str(why_held(NONE, True, None, "a-1", later(1e9)))


def test_a_deferral_holds_for_what_was_granted() -> None:
    holds, granted_s = deferred(NONE, "a-1", 100.0, "peak hour", NOW, 1000.0)

    assert granted_s == 100.0
    assert held(holds, later(99.0), None) == "the application put it off, 100 s in all so far: peak hour"
    assert held(holds, later(100.0)) is None


def test_deferrals_of_one_update_never_add_up_to_more_than_is_allowed() -> None:
    holds, total, now = NONE, 0.0, NOW
    for _ in range(4):
        holds, granted_s = deferred(holds, "a-1", 300.0, "", now, 1000.0)
        total += granted_s
        now = replace(now, monotonic=now.monotonic + granted_s)

    with pytest.raises(Conflict, match="all that defer_max_s allows"):
        deferred(holds, "a-1", 300.0, "", now, 1000.0)
    assert total == 1000.0
    assert held(holds, now) is None


def test_asking_again_before_the_end_extends_and_is_counted_once() -> None:
    holds, _ = deferred(NONE, "a-1", 100.0, "", NOW, 1000.0)

    holds, granted_s = deferred(holds, "a-1", 100.0, "", later(60.0), 1000.0)

    assert granted_s == 100.0
    assert holds.deferral is not None
    assert holds.deferral.granted_s == 160.0


def test_asking_for_less_never_shortens() -> None:
    holds, _ = deferred(NONE, "a-1", 100.0, "", NOW, 100.0)

    holds, granted_s = deferred(holds, "a-1", 1.0, "", later(10.0), 100.0)

    assert granted_s == 90.0


def test_a_restart_of_the_machine_ends_a_deferral_and_keeps_its_count() -> None:
    holds, _ = deferred(NONE, "a-1", 900.0, "", NOW, 1000.0)
    after = Moment(5.0, "boot-2", "later")

    assert held(holds, after) is None
    assert deferred(holds, "a-1", 900.0, "", after, 1000.0)[1] == 100.0


def test_the_next_update_has_its_own_count_and_is_not_held_by_the_last_ones() -> None:
    holds, _ = deferred(NONE, "a-0", 900.0, "", NOW, 900.0)

    assert held(holds) is None
    assert deferred(holds, "a-1", 900.0, "", NOW, 900.0)[1] == 900.0


def test_a_policy_of_nothing_allows_nothing() -> None:
    with pytest.raises(Conflict):
        deferred(NONE, "a-1", 1.0, "", NOW, 0.0)
