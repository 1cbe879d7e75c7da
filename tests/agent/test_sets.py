"""A set of components is activated as one or not at all, whichever member fails, and in the order that was signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.ports import Running
from surefoot_agent.runner import Runner
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import AttemptState as S
from surefoot_shared.status import Outcome, SlotName
from tests.agent.fakes import Cut, Device

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, ("model", "app"))


def all_ended(agent: Runner) -> bool:
    return all(record.state is S.IDLE and record.ended is not None for record in agent.records)


def played(device: Device, seconds: float = 300.0) -> Runner:
    agent = device.start_agent()
    device.play(agent, seconds, lambda: all_ended(agent))
    return agent


def versions(device: Device) -> list[str | None]:
    return [part.running_version() for part in device.parts.values()]


def outcomes(device: Device) -> dict[str | None, tuple[Outcome | None, str | None]]:
    told = device.server.outcomes()
    assert len(told) == len({assignment for assignment, _, _ in told}), "one outcome each"
    return {assignment: (outcome, reason) for assignment, outcome, reason in told}


def test_a_healthy_set_is_committed_whole(device: Device) -> None:
    device.assign(*device.joint("1.1"))

    played(device)

    assert versions(device) == ["1.1", "1.1"]
    assert outcomes(device) == {"model-1": (Outcome.COMMITTED, None), "app-1": (Outcome.COMMITTED, None)}
    joint = guard.load_record(device.folder / guard.JOINT, "trial")
    assert joint is not None
    assert joint["verdict"] == "healthy"


@pytest.mark.parametrize("culprit", ["model", "app"])
def test_where_one_member_is_sick_all_go_back(device: Device, culprit: str) -> None:
    device.health.sick_parts = {(culprit, "1.1")}
    device.assign(*device.joint("1.1"))

    played(device)

    assert versions(device) == ["1.0", "1.0"]
    told = outcomes(device)
    assert {outcome for outcome, _ in told.values()} == {Outcome.REVERTED}
    assert told[f"{culprit}-1"][1] == "health_failed"
    assert sorted(str(reason) for _, reason in told.values()) == ["health_failed", "set_broken"]


def test_a_member_that_fails_before_the_switch_cancels_the_others_untouched(device: Device) -> None:
    model = device.parts["model"]
    del model.downloader.blobs[next(f.sha256 for f in model.manifests["1.1"].files if f.path == "run")]
    model.downloader.errors = [InstallFailed("artifact_corrupt", "Not what was signed.")]
    device.assign(*device.joint("1.1"))

    played(device)

    assert versions(device) == ["1.0", "1.0"]
    assert outcomes(device) == {
        "model-1": (Outcome.FAILED, "artifact_corrupt"),
        "app-1": (Outcome.CANCELLED, "set_broken"),
    }
    assert "before link B" not in device.world.trace


def test_none_is_armed_before_all_are_staged_and_none_switched_before_all_are_armed(device: Device) -> None:
    device.assign(*device.joint("1.1"))

    played(device)

    trace = device.world.trace
    last_seal = max(i for i, where in enumerate(trace) if where == "after slot seal")
    links = [i for i, where in enumerate(trace) if where == "before link B"][:2]
    first_start = next(i for i, where in enumerate(trace) if i > last_seal and where == "before start B")
    assert last_seal < links[0] < links[1] < first_start


def test_applications_start_in_the_signed_order_and_go_back_the_other_way(device: Device) -> None:
    began = _began(device)
    device.health.sick_parts = {("app", "1.1")}
    device.assign(*device.joint("1.1"))

    played(device)

    changes = began[2:]  # the first two are the start of the device
    assert changes == [("model", "1.1"), ("app", "1.1"), ("app", "1.0"), ("model", "1.0")]


def test_what_restarts_the_machine_is_switched_first_and_goes_back_last(tmp_path: Path) -> None:
    device = Device(tmp_path, ("app", "rootfs"))
    device.parts["rootfs"].reboots = True
    began = _began(device)
    device.health.sick_parts = {("app", "1.1")}
    device.assign(*device.joint("1.1"))

    played(device)

    assert began[2:] == [("rootfs", "1.1"), ("app", "1.1"), ("app", "1.0"), ("rootfs", "1.0")]


def _began(device: Device) -> list[tuple[str, str]]:
    """Every start from now on: component and version."""
    began: list[tuple[str, str]] = []
    for name, part in device.parts.items():
        real = part.application.start

        def start(slot: SlotName, manifest: Manifest, name: str = name, real: Start = real) -> Running:
            began.append((name, manifest.version))
            return real(slot, manifest)

        part.application.start = start  # type: ignore[method-assign]
    return began


def test_a_window_of_one_member_holds_all_back(device: Device) -> None:
    model, app = device.joint("1.1")
    device.assign(replace(model, windows=(("2031-01-01T00:00:00Z", "2031-01-02T00:00:00Z"),)), app)
    agent = device.start_agent()

    device.play(agent, 60.0)

    assert [record.state for record in agent.records] == [S.STAGED, S.STAGED]
    assert versions(device) == ["1.0", "1.0"]


def test_a_lock_that_comes_between_two_armings_does_not_part_the_set(device: Device) -> None:
    device.assign(*device.joint("1.1"))
    device.world.cut_at = 0
    trace = _trace(device)
    first_link = next(i for i, where in enumerate(trace, 1) if where == "after link B")
    cut = Device(device.folder / "cut", ("model", "app"))
    cut.assign(*cut.joint("1.1"))
    cut.world.cut_at = first_link
    with pytest.raises(Cut):
        played(cut)
    assert cut.journal is not None
    cut.journal.set_locked(True)  # type: ignore[operator]

    played(cut)

    assert versions(cut) == ["1.1", "1.1"]


def _trace(device: Device) -> list[str]:
    played(device)
    return device.world.trace


def test_the_guard_of_one_member_brings_all_back_where_the_agent_is_gone(device: Device) -> None:
    device.assign(*device.joint("1.1"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: all(record.state is S.PROBATION for record in agent.records))
    model, app = (part.component_dir for part in device.parts.values())
    trial = guard.load_trial(model)
    assert trial is not None

    held = guard.decide_set(model, trial["set"], "guard", "no_verdict")
    seen = guard.load_trial(app)

    assert held["verdict"] == "guard"
    assert seen is not None
    assert guard.must_act(seen, 0.0)
    device.play(agent, 30.0, lambda: all_ended(agent))
    assert versions(device) == ["1.0", "1.0"]
    assert {reason for _, reason in outcomes(device).values()} == {"no_verdict", "set_broken"}


def test_once_the_set_is_committed_no_guard_and_no_late_failure_undoes_it(device: Device) -> None:
    device.assign(*device.joint("1.1"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: all(record.state is S.PROBATION for record in agent.records))
    model, app = (part.component_dir for part in device.parts.values())
    trial = guard.load_trial(model)
    assert trial is not None

    guard.decide_set(model, trial["set"], "healthy", None)
    device.health.sick_parts = {("app", "1.1")}

    assert not guard.go_back(app, {**(guard.load_record(app, "trial") or {})})
    device.play(agent, 120.0, lambda: all_ended(agent))
    assert versions(device) == ["1.1", "1.1"]
    assert {outcome for outcome, _ in outcomes(device).values()} == {Outcome.COMMITTED}


def test_a_member_that_fell_back_after_its_set_was_committed_is_brought_forward(device: Device) -> None:
    device.assign(*device.joint("1.1"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: all(record.state is S.PROBATION for record in agent.records))
    app = device.parts["app"]
    guard.decide_set(app.component_dir, "set-1", "healthy", None)

    guard.point_current(app.component_dir, "A")  # a bootloader that counts starts
    device.cut_power()
    again = device.start_agent()
    device.play(again, 120.0, lambda: all_ended(again))

    assert versions(device) == ["1.1", "1.1"]
    assert {outcome for outcome, _ in outcomes(device).values()} == {Outcome.COMMITTED}


def test_the_second_try_of_a_set_is_not_judged_by_the_verdict_of_the_first(device: Device) -> None:
    device.health.sick_parts = {("app", "1.1")}
    device.assign(*device.joint("1.1", "set-1"))
    played(device)
    device.health.sick_parts = set()
    device.assign(*(replace(w, assignment=f"{w.component}-2") for w in device.joint("1.2", "set-2")))

    played(device, 30.0)
    agent = device.start_agent()
    device.play(agent, 300.0, lambda: versions(device) == ["1.2", "1.2"] and all_ended(agent))

    assert versions(device) == ["1.2", "1.2"]


def test_a_withdrawn_member_takes_the_whole_set_back(device: Device) -> None:
    wishes = device.joint("1.1")
    device.assign(*wishes)
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: all(record.state is S.PROBATION for record in agent.records))

    agent._bundle(device.assign())
    device.play(agent, 60.0, lambda: all_ended(agent))

    assert versions(device) == ["1.0", "1.0"]


def test_a_member_that_runs_its_release_already_does_not_hold_the_set_back(device: Device) -> None:
    device.assign(device.wish("1.1", "m-0", component="model"))
    agent = device.start_agent()
    device.play(agent, 120.0, lambda: agent.records[0].committed is not None and agent.records[0].state is S.IDLE)
    device.assign(*device.joint("1.1"))

    again = device.start_agent()
    device.play(again, 120.0, lambda: versions(device) == ["1.1", "1.1"] and all_ended(again))

    assert outcomes(device)["app-1"] == (Outcome.COMMITTED, None)
    assert outcomes(device)["model-1"] == (Outcome.COMMITTED, None)


Start = Callable[[SlotName, Manifest], Running]
