"""Why a device has not been offered anything: one sentence that names the rollout and what it waits for."""

from __future__ import annotations

from surefoot_server.rollouts import why
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_shared.status import AttemptState
from tests.server.rollouts.fleet import POLICY, Fleet


def ask(fleet: Fleet, device: str, component: str = "app") -> str | None:
    with fleet.rig.db.read() as session:
        return why.waiting(session, device, component, fleet.now)


def test_a_device_of_a_later_phase_is_told_which_phase_is_open(fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]

    assert ask(fleet, late) == f"it is in phase rest of rollout {rollout} of app/1.1, which is at canary (offering)"


def test_a_stopped_rollout_says_so_with_its_reason(fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]
    fleet.service.halt(rollout, CommittedDevices.KEEP, "bob", fleet.now, "smoke")

    said = ask(fleet, late)

    assert said is not None
    assert "halted (halt by bob: smoke)" in said


def test_a_sleeper_is_told_that_it_gets_it_when_it_wakes(fleet: Fleet) -> None:
    fleet.offline("cam-01")
    fleet.start(policy="phases: [{percent: 100, bake: 0s}]")
    fleet.commit(*fleet.names[1:])
    fleet.tick()

    said = ask(fleet, "cam-01")

    assert said is not None
    assert "once it is back online" in said


def test_an_excluded_device_is_told_why(fleet: Fleet) -> None:
    fleet.rig.release("app/1.3", ["rpi5"])
    rollout = fleet.start("app/1.3")
    other = next(n for n in fleet.names if fleet.rig.device_row(n).hw == "x86-box")

    assert ask(fleet, other) == f"rollout {rollout} of app/1.3 leaves it out: the release is not made for x86-box"


def test_a_device_that_was_offered_needs_no_such_answer(fleet: Fleet) -> None:
    rollout = fleet.start()

    assert ask(fleet, fleet.in_phase(rollout, 0)[0]) is None


def test_a_rollout_of_one_component_is_no_answer_for_another(fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]

    assert ask(fleet, late, "model") is None
    assert ask(fleet, late, "app") is not None


def test_a_device_that_no_rollout_knows_has_none(fleet: Fleet) -> None:
    assert ask(fleet, "cam-01") is None


def test_a_cancelled_rollout_explains_nothing_any_more(fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]
    fleet.service.cancel(rollout, "bob", fleet.now)

    assert ask(fleet, late) is None


def test_a_device_that_staged_it_is_told_what_its_turn_to_switch_waits_for(fleet: Fleet) -> None:
    fleet.start(policy=POLICY + "limits: {per_site_unavailable: 1}\n")
    for name in sorted(fleet.wished()):
        fleet.state(name, AttemptState.STAGED)
    fleet.tick()
    waits = [name for name in fleet.wished() if not fleet.wish(name).activate]
    switches = [name for name in fleet.wished() if fleet.wish(name).activate]

    assert len(switches) == 1
    assert {ask(fleet, name) for name in waits} == {"1 device is unavailable at hanoi and the limit is 1"}
    assert ask(fleet, switches[0]) is None
    fleet.service.pause("r1", "bob", fleet.now)
    assert {ask(fleet, name) for name in waits} == {"rollout r1 is paused"}
