"""How far a way back is, on a real database: kept over looks, held for a person, and let go on."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts import stages
from surefoot_shared.errors import Conflict
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet

SHARES = (
    "phases: [{percent: 100, bake: 0s}]\nrevert: {phases: [{percent: 25, bake: 1m}, {percent: 100}], tripwire: 1}\n"
)


def reverting(fleet: Fleet) -> str:
    rollout = fleet.start(policy=SHARES)
    fleet.commit(*fleet.names)
    fleet.tick()
    fleet.service.revert(rollout, "bob", fleet.now)
    return rollout


def test_a_share_goes_back_and_the_rest_after_its_time(fleet: Fleet) -> None:
    rollout = reverting(fleet)
    first = fleet.wished("app/1.0")
    assert len(first) == 3

    fleet.commit(*first)
    fleet.tick()
    assert fleet.wished("app/1.0") == set()
    fleet.tick(61)

    assert fleet.wished("app/1.0") == set(fleet.names) - first
    fleet.commit(*fleet.wished("app/1.0"))
    fleet.tick()
    assert fleet.rollout(rollout).state == "failed"
    assert fleet.rollout(rollout).reason.endswith("12 of 12 devices are back on their previous release")
    assert fleet.tick() == 0


def test_a_device_that_cannot_go_back_holds_it_until_a_person_has_seen_that(fleet: Fleet) -> None:
    rollout = reverting(fleet)
    bad, *good = sorted(fleet.wished("app/1.0"))
    fleet.end(Outcome.FAILED, bad)
    fleet.commit(*good)
    fleet.tick()

    assert stages.read(fleet.rollout(rollout)).held
    assert "1 of 3 devices could not go back" in fleet.rollout(rollout).reason
    assert "`resume` lets it go on" in fleet.rollout(rollout).reason
    assert fleet.tick(300) == 0
    fleet.service.resume(rollout, "bob", fleet.now)
    fleet.tick(61)
    assert stages.read(fleet.rollout(rollout)).acknowledged == 1
    assert len(fleet.wished("app/1.0")) == 9


def test_a_way_back_that_nothing_holds_is_not_let_go_on(fleet: Fleet) -> None:
    rollout = reverting(fleet)

    with pytest.raises(Conflict, match="goes on by itself"):
        fleet.service.resume(rollout, "bob", fleet.now)

    assert stages.read(fleet.rollout(rollout)).stage == 0
