"""Every write of a set's update is an instant to end the world at: the device ends with all new or all old.

All points are enumerated by one undisturbed run and each is tried: the agent alone is killed, or the power goes too, or
a record is torn in the middle. Each member tells exactly one outcome, and they agree.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.runner import Runner
from surefoot_shared.status import AttemptState, Outcome, SlotState
from tests.agent.fakes import Cut, Device

pytestmark = [pytest.mark.usefixtures("unsynced"), pytest.mark.slow, pytest.mark.timeout(900)]

Scene = Callable[[Device], None]
PAIR, TRIO = ("model", "app"), ("rootfs", "model", "app")


def healthy(device: Device) -> None:
    device.assign(*device.joint("1.1"))


def sick(device: Device) -> None:
    device.health.sick_parts = {("app", "1.1")}
    device.assign(*device.joint("1.1"))


def broken(device: Device) -> None:
    device.parts["app"].application.will_not_start = {"1.1"}
    device.assign(*device.joint("1.1"))


def ignored(device: Device) -> None:
    device.parts["model"].boot_control.ignores_switches = True
    device.assign(*device.joint("1.1"))


NEW, OLD = {Outcome.COMMITTED}, {Outcome.REVERTED, Outcome.FAILED, Outcome.CANCELLED}
SCENES: dict[str, tuple[tuple[str, ...], Scene, set[Outcome]]] = {
    "healthy pair": (PAIR, healthy, NEW),
    "sick pair": (PAIR, sick, OLD),
    "broken pair": (PAIR, broken, OLD),
    "ignored pair": (PAIR, ignored, OLD),
    "healthy trio": (TRIO, healthy, NEW),
    "sick trio": (TRIO, sick, OLD),
}


def make(folder: Path, name: str) -> Device:
    components, scene, _ = SCENES[name]
    device = Device(folder, components)
    scene(device)
    return device


def run(device: Device) -> Runner:
    """Play the agent until every member's attempt ended and was told."""
    agent = device.start_agent()

    def ended() -> bool:
        idle = all(record.state is AttemptState.IDLE and record.ended for record in agent.records)
        return idle and len(device.server.outcomes()) >= len(device.parts)

    device.play(agent, 900.0, ended)
    return agent


def points(folder: Path, name: str) -> list[str]:
    """Every point of an undisturbed run, which ends as the scene says."""
    device = make(folder, name)
    run(device)
    trace = list(device.world.trace)
    check(device, name, "undisturbed")
    print(f"{name}: {len(trace)} points")
    return trace


BOTH, KILLED, POWER = (False, True), (False,), (True,)
MODES = {
    "healthy pair": BOTH,
    "sick pair": BOTH,
    "broken pair": POWER,
    "ignored pair": KILLED,
    "healthy trio": POWER,
    "sick trio": KILLED,
}
"""Both ways to end where the scenes are the common ones; one where the other differs in nothing that a set adds."""
CASES = [
    pytest.param(name, power, id=f"{name}, {'power cut' if power else 'killed'}")
    for name, modes in MODES.items()
    for power in modes
]


@pytest.mark.parametrize(("name", "power"), CASES)
def test_all_members_end_on_the_same_side_whatever_write_was_the_last(tmp_path: Path, name: str, power: bool) -> None:
    trace = points(tmp_path / "undisturbed", name)

    for point, where in enumerate(trace, 1):
        device = make(tmp_path / "cut", name)
        device.world.cut_at = point
        with pytest.raises(Cut):
            run(device)
        if power:
            device.cut_power()
        run(device)

        check(device, name, f"{name}: {where} ({point} of {len(trace)})")
        shutil.rmtree(tmp_path / "cut")


@pytest.mark.parametrize("name", ["healthy pair", "sick pair"])
def test_a_record_torn_by_the_power_cut_parts_no_set(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = guard._write_synced
    writes = {"count": 0, "torn": 0}

    def tear(path: Path, data: bytes, mode: int = 0o644) -> None:
        writes["count"] += 1
        if writes["count"] == writes["torn"]:
            path.write_bytes(data[: len(data) // 2])
            raise Cut(path.name)
        real(path, data, mode)

    monkeypatch.setattr(guard, "_write_synced", tear)
    while True:
        device = make(tmp_path / "cut", name)
        writes["count"], torn = 0, writes["torn"] + 1
        writes["torn"] = torn
        try:
            run(device)
        except Cut:
            device.cut_power()
            run(device)
        else:
            break  # the run has fewer writes than that: all were torn

        check(device, name, f"{name}: write {torn} torn")
        shutil.rmtree(tmp_path / "cut")

    assert torn > 10


@pytest.mark.parametrize("name", ["healthy pair", "sick pair"])
def test_a_guard_that_acts_at_any_instant_parts_no_set(tmp_path: Path, name: str) -> None:
    """Its budget gone at any write of the agent, the guard of one member decides for all, or finds them committed."""
    for point, where in enumerate(points(tmp_path / "undisturbed", name), 1):
        device = make(tmp_path / "cut", name)
        device.world.cut_at = point
        with pytest.raises(Cut):
            run(device)
        _expire(device, "app")
        run(device)

        outcomes = {outcome for _, outcome, _ in device.server.outcomes()}
        assert outcomes == NEW or outcomes <= OLD, f"{name}: {where}: {outcomes}"
        check(device, name, f"{name}: {where} ({point})", NEW if outcomes == NEW else OLD)
        shutil.rmtree(tmp_path / "cut")


def _expire(device: Device, component: str) -> None:
    """What the guard of this component does to the records once its budget is gone; it starts no real process here."""
    part = device.parts[component]
    trial = guard.load_trial(part.component_dir)
    if trial is None or trial["verdict"] is not None or trial["finished"]:
        return
    part.application.process = None
    guard.go_back(part.component_dir, {**trial, "fallback": None})


def check(device: Device, name: str, where: str, allowed: set[Outcome] | None = None) -> None:
    allowed = allowed or SCENES[name][2]
    told = device.server.outcomes()
    assert sorted(str(assignment) for assignment, _, _ in told) == sorted(f"{p}-1" for p in device.parts), where
    assert {outcome for _, outcome, _ in told} <= allowed, f"{where}: {told}"
    wanted = "1.1" if allowed == NEW else "1.0"
    for part in device.parts.values():
        assert part.linked_version() == part.running_version() == wanted, f"{where}: {part.name}"
        current = part.boot_control.current()
        assert part.boot_control.state(current) is SlotState.GOOD, f"{where}: {part.name}"
        trial = guard.load_trial(part.component_dir)
        assert trial is None or not guard.must_act(trial, 1e12), f"{where}: {part.name}: its guard would still act"
    again = device.start_agent()
    assert all(record.state is AttemptState.IDLE for record in again.records), where
