"""Flags and advisories against real rollouts: what stops, why, and who may make it stop."""

from __future__ import annotations

import pytest

from surefoot_server.feedback.service import FeedbackService
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict, NotFound
from tests.server.rig import digest
from tests.server.rollouts.fleet import POLICY, Fleet

STERN = POLICY + "triggers: {flags: {devices: 2, do: revert}, not_passed: {within: 10m, do: hold}}\n"


@pytest.fixture
def feedback(fleet: Fleet) -> FeedbackService:
    return fleet.rig.state.feedback


def flag(fleet: Fleet, *names: str) -> None:
    for name in names:
        fleet.rig.state.feedback.flag_device(name, "blind", "ann", "operator", fleet.now)


def test_enough_flagged_devices_end_in_the_act_that_the_policy_states(fleet: Fleet) -> None:
    rollout = fleet.start(policy=STERN)
    canary = fleet.in_phase(rollout, 0)
    fleet.commit(*canary)

    flag(fleet, canary[0])
    before = fleet.rollout(rollout).state
    flag(fleet, canary[1])

    assert (before, fleet.rollout(rollout).state) == ("running", "reverting")
    assert "2 devices that run it are flagged, the limit is 2" in fleet.rollout(rollout).reason
    assert fleet.wished("app/1.0") == set(canary)
    assert digest("app/1.1") in fleet.rig.state.online.halted()
    assert [a.actor for a in fleet.audited(rollout) if a.action == "rollout.halt"] == ["trigger"]


def test_a_flag_on_the_release_holds_and_a_person_may_go_on_with_it_standing(
    fleet: Fleet, feedback: FeedbackService
) -> None:
    rollout = fleet.start()
    feedback.flag_release("app/1.1", "mirrored", "ann", "operator", fleet.now)
    held = fleet.rollout(rollout).state

    fleet.at += 1
    fleet.service.resume(rollout, "bob", fleet.now, "it is meant")
    stopped = feedback.sweep(fleet.now)

    assert (held, stopped, fleet.rollout(rollout).state) == ("held", [], "running")


def test_other_releases_are_left_alone(fleet: Fleet, feedback: FeedbackService) -> None:
    rollout = fleet.start("app/1.1")

    feedback.flag_release("app/1.2", "mirrored", "ann", "operator", fleet.now)

    assert fleet.rollout(rollout).state == "running"


def test_an_advisory_halts_what_runs_and_names_who_has_it(fleet: Fleet, feedback: FeedbackService) -> None:
    rollout = fleet.start()
    canary = fleet.in_phase(rollout, 0)
    fleet.commit(*canary)

    found = feedback.advise("app/1.1", Do.HOLD, "remote code", "CVE-2026-1", "ann", fleet.now)

    assert (list(found.devices), list(found.stopped)) == (canary, [rollout])
    assert fleet.rollout(rollout).state == "halted"
    assert "advisory by ann: CVE-2026-1 remote code" in fleet.rollout(rollout).reason


def test_an_advisory_after_the_end_keeps_the_release_from_those_that_wake(
    fleet: Fleet, feedback: FeedbackService
) -> None:
    sleeper = fleet.names[0]
    rollout = fleet.start(policy="phases: [{percent: 100, bake: 1s}]\n")
    fleet.commit(*(n for n in fleet.names if n in fleet.wished() and n != sleeper))
    fleet.offline(sleeper)
    fleet.tick(360)
    fleet.tick(5)
    done = fleet.rollout(rollout).state

    feedback.advise("app/1.1", Do.HALT, "remote code", "", "ann", fleet.now)

    assert (done, fleet.rollout(rollout).state) == ("succeeded", "halted")


def test_a_phase_that_does_not_pass_in_time_is_held(fleet: Fleet, feedback: FeedbackService) -> None:
    rollout = fleet.start(policy=STERN)
    fleet.at += 590
    early = feedback.sweep(fleet.now)
    fleet.at += 20

    assert (early, feedback.sweep(fleet.now)) == ([], [rollout])
    assert feedback.sweep(fleet.now) == []
    assert fleet.rollout(rollout).reason.endswith("canary has not passed within 0.167 h")


def test_a_flag_needs_a_device_that_runs_something_known(fleet: Fleet, feedback: FeedbackService) -> None:
    fleet.rig.device("new")

    with pytest.raises(Conflict, match="No release is known to run on new"):
        flag(fleet, "new")
    with pytest.raises(NotFound):
        flag(fleet, "ghost")
    with pytest.raises(NotFound):
        feedback.flag_release("app/9.9", "x", "ann", "operator", fleet.now)
    with pytest.raises(NotFound):
        feedback.withdraw_flag(77, "ann", fleet.now)
