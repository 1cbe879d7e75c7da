"""What follows on a device of a drill, and when the drill passed."""

from __future__ import annotations

import pytest

from surefoot_server.drills.course import Move, Order, Step, ended, follow
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, later

COMMITTED = Order(NOW, Outcome.COMMITTED, later(30))


def test_back_is_followed_by_forth_and_forth_by_the_end() -> None:
    assert follow(Step.REVERTING, COMMITTED, 60, later(40)) == Move(Step.APPLYING, 30.0)
    assert follow(Step.APPLYING, COMMITTED, 60, later(40)) == Move(Step.DONE, 30.0)


def test_a_device_that_is_at_it_has_its_time() -> None:
    assert follow(Step.REVERTING, Order(NOW), 60, later(60)) is None

    move = follow(Step.REVERTING, Order(NOW), 60, later(61))
    assert move == Move(Step.FAILED, None, "reverting did not end within 60 s")


def test_a_commit_that_came_too_late_is_a_failure_with_its_time() -> None:
    move = follow(Step.REVERTING, COMMITTED, 29, later(40))

    assert move == Move(Step.FAILED, 30.0, "reverting took 30 s, the limit is 29 s")


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.COMMITTED])
def test_any_other_outcome_fails_it(outcome: Outcome) -> None:
    move = follow(Step.APPLYING, Order(NOW, outcome, later(5), "frozen frames"), 60, later(6))

    assert move == Move(Step.FAILED, None, f"applying ended {outcome.value}: frozen frames")


def test_a_drill_ends_with_its_last_device_and_passes_only_if_all_made_it() -> None:
    done, failed, skipped = ("a", Step.DONE), ("b", Step.FAILED), ("c", Step.SKIPPED)

    assert ended([done, ("d", Step.APPLYING)], []) is None
    assert ended([done, skipped], [12.0]) == (True, "1 device went back and forth; back in 12 s, 12 s at most")
    assert ended([done, failed], [12.0]) == (False, "1 of 2 devices failed, b first")
    assert ended([skipped], []) == (False, "no device could take part")
