"""What applying a decision stands on: rows are found by the rollout's own key."""

from __future__ import annotations

from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.test_apply import transaction


def test_phases_and_members_are_those_of_the_rollout(fleet: Fleet) -> None:
    fleet.start(cohort="device == 'cam-01'")
    second = fleet.start("app/1.2", "device == 'cam-02'")

    with transaction(fleet, second) as tx:
        assert (tx.phase(1).rollout_id, tx.phase(1).name) == (second, "rest")
        assert (tx.member("cam-02").rollout_id, tx.member("cam-02").phase) == (second, 0)
