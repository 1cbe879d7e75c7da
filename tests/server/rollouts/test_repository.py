"""Queries about rollouts: facts as the engine needs them, claims, outages and what is worth a look."""

from __future__ import annotations

from datetime import timedelta

import pytest

from surefoot_server.rollouts import repository
from surefoot_server.rollouts.facts import Facts
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_shared.errors import NotFound
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import NOW, Rig, later
from tests.server.rollouts.fleet import Fleet


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


def test_a_long_gap_between_two_looks_is_an_outage_and_a_short_one_is_not(rig: Rig) -> None:
    with rig.db.write() as session:
        assert repository.mark_look(session, NOW) == 0
        assert repository.mark_look(session, later(29)) == 0
        assert repository.mark_look(session, later(29 + 3600)) == 3600
        spans = repository.outages(session, later(4000)).spans

    assert spans == ((later(29), later(29 + 3600)),)


def test_outages_of_long_ago_are_not_read(rig: Rig) -> None:
    with rig.db.write() as session:
        repository.mark_look(session, NOW)
        repository.mark_look(session, later(3600))

        assert repository.outages(session, NOW + timedelta(days=90)).spans == ()


def test_the_look_is_remembered_across_restarts(rig: Rig) -> None:
    with rig.db.write() as session:
        repository.mark_look(session, NOW)
    with rig.db.read() as session:
        assert repository.last_look(session) == NOW


def test_numbers_rise(fleet: Fleet) -> None:
    fleet.start()
    with fleet.rig.db.read() as session:
        assert repository.next_number(session) == 2


def test_a_rollout_that_does_not_exist_is_not_found(rig: Rig) -> None:
    with rig.db.read() as session, pytest.raises(NotFound, match="r7"):
        repository.rollout(session, "r7")
