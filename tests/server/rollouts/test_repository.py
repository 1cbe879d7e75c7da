"""Queries about rollouts: facts as the engine needs them, claims and what is worth a look."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts import repository
from surefoot_server.rollouts.facts import Facts
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_shared.errors import NotFound
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import Rig
from tests.server.rollouts.fleet import POLICY, Fleet


def facts(fleet: Fleet, rollout: str) -> Facts:
    with fleet.rig.db.read() as session:
        return repository.facts(session, repository.rollout(session, rollout), fleet.now)


def looked_at(fleet: Fleet) -> list[str]:
    with fleet.rig.db.read() as session:
        return repository.to_look_at(session)


def test_facts_tell_how_each_attempt_stands(fleet: Fleet) -> None:
    rollout = fleet.start()
    first, second, third = fleet.in_phase(rollout, 0)
    fleet.commit(first)
    fleet.state(second, AttemptState.PROBATION)
    fleet.offline(third)

    found = {m.device: m for m in facts(fleet, rollout).members}

    assert found[first].runs_release
    assert found[first].attempt is not None
    assert found[first].attempt.outcome is Outcome.COMMITTED
    assert found[second].attempt is not None
    assert found[second].attempt.past_the_switch
    assert not found[third].online
    assert all(found[c].has_previous for c in (first, second, third))
    assert found[fleet.in_phase(rollout, 1)[0]].waiting


def test_facts_are_those_of_now_within_one_session(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        repository.facts(session, row, fleet.now)
        session.rollback()

        fleet.commit(device)
        found = {m.device: m for m in repository.facts(session, row, fleet.now).members}

    assert found[device].attempt is not None
    assert found[device].attempt.outcome is Outcome.COMMITTED


def test_a_device_that_runs_something_unknown_has_no_previous_release(rig: Rig, fleet: Fleet) -> None:
    fleet.hello("cam-01", "app/0.1")
    rollout = fleet.start(policy="phases: [{percent: 100, bake: 0s}]")

    found = {m.device: m for m in facts(fleet, rollout).members}

    assert not found["cam-01"].has_previous
    assert found["cam-02"].has_previous


def test_a_device_that_says_online_and_was_not_heard_for_long_is_not(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.at += 3600

    assert not any(m.online for m in facts(fleet, rollout).members)


def test_a_younger_rollout_claims_its_members_and_an_older_one_does_not(fleet: Fleet) -> None:
    old = fleet.start("app/1.1")
    fleet.service.halt(old, CommittedDevices.KEEP, "bob", fleet.now)
    young = fleet.start("app/1.2")

    assert {m.claimed_by for m in facts(fleet, old).members} == {young}
    assert {m.claimed_by for m in facts(fleet, young).members} == {None}


def test_what_has_ended_for_good_is_not_looked_at_again(fleet: Fleet) -> None:
    rollout = fleet.start(policy="phases: [{percent: 100, bake: 0s}]")
    assert looked_at(fleet) == [rollout]

    fleet.commit(*fleet.names)
    fleet.tick()

    assert fleet.rollout(rollout).state == "succeeded"
    assert looked_at(fleet) == []


def test_a_success_is_looked_at_again_when_a_sleeper_wakes(fleet: Fleet) -> None:
    fleet.offline("cam-01")
    rollout = fleet.start(policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*fleet.names[1:])
    fleet.tick()

    assert fleet.rollout(rollout).state == "succeeded"
    assert looked_at(fleet) == []
    fleet.hello("cam-01", "app/1.0")
    assert looked_at(fleet) == [rollout]


@pytest.mark.parametrize(
    ("limits", "days"),
    [
        ("{download_window: UTC 20:00-22:00}", 59),
        ("{window: UTC 01:00-02:00, download_window: 'UTC 01:00-02:00, 03:00-04:00, 05:00-06:00'}", 39),
    ],
    ids=["only downloads have hours", "those of downloads end sooner"],
)
def test_hours_to_download_are_told_anew_in_time_as_those_to_switch_are(fleet: Fleet, limits: str, days: int) -> None:
    rollout = fleet.start(policy=f"{POLICY}limits: {limits}\n")
    fleet.tick()

    attempt = next(m.attempt for m in facts(fleet, rollout).members if m.attempt)

    assert attempt.windows_until is not None
    assert (attempt.windows_until - fleet.now).days == days


def test_numbers_rise(fleet: Fleet) -> None:
    fleet.start()
    with fleet.rig.db.read() as session:
        assert repository.next_number(session) == 2


def test_a_rollout_that_does_not_exist_is_not_found(rig: Rig) -> None:
    with rig.db.read() as session, pytest.raises(NotFound, match="r7"):
        repository.rollout(session, "r7")
