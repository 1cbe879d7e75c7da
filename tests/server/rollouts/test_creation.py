"""Making a rollout: everyone gets a row with a reason, and nobody in it is a refusal."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts import creation, repository
from surefoot_server.rollouts.creation import Order
from surefoot_shared.errors import Conflict
from tests.server.rollouts.fleet import POLICY, Fleet


def test_everyone_of_the_cohort_gets_a_row_with_a_reason(fleet: Fleet) -> None:
    fleet.hello("cam-01", "app/1.1")
    with fleet.rig.db.write() as session:
        fleet.rig.devices.revoke(session, "cam-02", "bob", fleet.now)

    rows = fleet.members(fleet.start())

    assert sorted(rows) == fleet.names
    assert (rows["cam-01"].standing, rows["cam-02"].standing, rows["cam-03"].standing) == (
        "satisfied",
        "excluded",
        "member",
    )
    assert all(row.reason for row in rows.values())


def test_a_new_rollout_is_a_draft_with_pending_phases(fleet: Fleet) -> None:
    with fleet.rig.db.write() as session:
        planned = fleet.service.plan(session, Order(POLICY, "app/1.1", "all"))
        row = creation.insert(session, planned, "alice", fleet.now)

        phases = repository.phases(session, row.id)

    assert (row.id, row.state, row.created_by) == ("r1", "draft", "alice")
    assert [(p.name, p.state, p.members) for p in phases] == [("canary", "pending", 3), ("rest", "pending", 9)]


def test_a_rollout_that_all_have_already_succeeds_and_says_so(fleet: Fleet) -> None:
    for name in fleet.names:
        fleet.hello(name, "app/1.1")

    rollout = fleet.start("app/1.1")

    assert (fleet.rollout(rollout).state, fleet.rollout(rollout).reason) == (
        "succeeded",
        "every device already runs it",
    )


def test_nobody_to_offer_to_is_refused_with_the_first_reason(fleet: Fleet) -> None:
    with fleet.rig.db.read() as session:
        planned = fleet.service.plan(session, Order(POLICY, "app/1.0", "device == 'none'"))

    with pytest.raises(Conflict, match="No device belongs to device == 'none'"):
        creation.check_startable(planned)
