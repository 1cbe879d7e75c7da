"""What a rollout touched and what it updated are told apart from its orders to go back."""

from __future__ import annotations

from surefoot_simulators.demo.seen import SeenAssignment, SeenRollout


def rollout(*assignments: SeenAssignment) -> SeenRollout:
    return SeenRollout("r1", "1.2", "failed", "", (), assignments)


def test_an_order_to_go_back_is_no_update_though_it_touches_the_device() -> None:
    update = SeenAssignment("cam-01", "1.2", "update", "idle")
    order = SeenAssignment("cam-02", "1.1", "revert", "idle")

    assert rollout(update, order).updates() == (update,)
    assert rollout(update, order).touched() == {"cam-01", "cam-02"}


def test_a_rollout_that_assigned_nothing_touched_nobody() -> None:
    assert rollout().touched() == frozenset()
