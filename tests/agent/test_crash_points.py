"""Every write of journal, trial, boot and slot and every start of the application is an instant to end the world at.

All are enumerated by one undisturbed run and each is tried, twice: the agent alone is killed, or the power goes too.
Whatever the instant, the next agents end with the old or the new release, whole, and tell exactly one outcome.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_shared.release import DataHandling
from surefoot_shared.status import AttemptState, Outcome, SlotState
from tests.agent.fakes import Cut, Device

pytestmark = pytest.mark.usefixtures("unsynced")

Scene = Callable[[Device], None]


def healthy(device: Device) -> None:
    device.assign(device.wish("1.1", "a-1"))


def sick(device: Device) -> None:
    device.health.sick = {"1.1"}
    device.assign(device.wish("1.1", "a-1"))


def ignored(device: Device) -> None:
    device.boot_control.ignores_switches = True
    device.assign(device.wish("1.1", "a-1"))


def broken(device: Device) -> None:
    device.application.will_not_start = {"1.1"}
    device.assign(device.wish("1.1", "a-1"))


FORWARD = DataHandling(forward=("run",), backward=("run",), irreversible=("run",))


def migrated(device: Device) -> None:
    device.publish("1.1", data=FORWARD)
    healthy(device)


def migrated_back(device: Device) -> None:
    device.publish("1.1", data=FORWARD)
    sick(device)


def forward_fails(device: Device) -> None:
    device.migrations.fails = {"forward"}
    migrated(device)


def backward_fails(device: Device) -> None:
    device.migrations.fails = {"backward"}
    migrated_back(device)


def copied(device: Device) -> None:
    device.publish("1.1", data=DataHandling())
    sick(device)


def ordered_down(device: Device) -> None:
    device.publish("1.0", data=FORWARD)
    device.provision()
    device.publish("0.9")
    device.assign(device.wish("0.9", "a-1"))


def ordered_down_sick(device: Device) -> None:
    device.health.sick = {"0.9"}
    ordered_down(device)


DATA_AFTER = {"migrated": "2 for good", "ordered down": "1"}
"""What the committed release finds; 1 is what there was before, 2 what a forward migration makes of it."""
COPIED_BACK = {"forward fails", "backward fails", "copied", "ordered down, sick"}
"""Scenes that end with the very data of before, without what the new release recorded."""
WITHOUT_DATA = {"healthy", "sick", "ignored", "broken"}
SCENES: dict[str, tuple[Scene, set[Outcome]]] = {
    "migrated": (migrated, {Outcome.COMMITTED}),
    "migrated back": (migrated_back, {Outcome.REVERTED}),
    "forward fails": (forward_fails, {Outcome.REVERTED}),
    "backward fails": (backward_fails, {Outcome.REVERTED}),
    "copied": (copied, {Outcome.REVERTED}),
    "ordered down": (ordered_down, {Outcome.COMMITTED}),
    "ordered down, sick": (ordered_down_sick, {Outcome.REVERTED}),
    "healthy": (healthy, {Outcome.COMMITTED}),
    "sick": (sick, {Outcome.REVERTED}),
    "ignored": (ignored, {Outcome.FAILED}),
    "broken": (broken, {Outcome.REVERTED}),
}


def run(device: Device) -> None:
    """Play the agent until the attempt ended; where it is cut, start another on what is left."""
    device.run_until_idle(device.start_agent())


def make(folder: Path, scene: Scene) -> Device:
    device = Device(folder)
    data = device.application.data
    (data / "format").write_text("1")
    (data / "counts").write_text("of before\n")
    scene(device)
    device.world.points, device.world.trace = 0, []
    return device


def points(folder: Path, scene: Scene) -> list[str]:
    device = make(folder, scene)
    run(device)
    return device.world.trace


def first_of_interest(name: str, trace: list[str]) -> int:
    """Up to the arming a scene with data is the scene `healthy`, whose every point is tried."""
    return trace.index("before link B") + 1 if name not in WITHOUT_DATA else 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("name", SCENES)
def test_the_device_is_whole_and_tells_one_outcome_whatever_write_was_the_last(
    tmp_path: Path, name: str, power: bool
) -> None:
    scene, allowed = SCENES[name]
    trace = points(tmp_path / "undisturbed", scene)

    for point, where in enumerate(trace, 1):
        if point < first_of_interest(name, trace):
            continue
        device = make(tmp_path / "cut", scene)
        device.world.cut_at = point
        with pytest.raises(Cut):
            run(device)
        if power:
            device.cut_power()
        run(device)

        check(device, allowed, f"{name}: {where} ({point} of {len(trace)})")
        shutil.rmtree(tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_second_cut_at_any_point_of_the_way_out_changes_nothing(tmp_path: Path) -> None:
    trace = points(tmp_path / "undisturbed", sick)
    first = next(i for i, where in enumerate(trace, 1) if where == "after link B")

    for second in range(1, 12):
        device = make(tmp_path / "cut", sick)
        device.world.cut_at = first
        with pytest.raises(Cut):
            run(device)
        device.cut_power()
        device.world.cut_at = first + second
        try:
            run(device)
        except Cut:
            device.cut_power()
            run(device)

        check(device, {Outcome.REVERTED}, f"second cut {second} after the first")
        shutil.rmtree(tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENES)
def test_a_power_cut_inside_a_write_of_trial_or_boot_record_is_survived(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, allowed = SCENES[name]
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
        device = make(tmp_path / "cut", scene)
        writes["count"], torn = 0, writes["torn"] + 1
        writes["torn"] = torn
        try:
            run(device)
        except Cut:
            device.cut_power()
            run(device)
        else:
            break  # the run has fewer writes than that: all were torn

        check(device, allowed, f"{name}: write {torn} torn")
        shutil.rmtree(tmp_path / "cut")

    assert torn > 5


def check_data(device: Device, outcome: Outcome, where: str) -> None:
    """Whichever release runs finds the data it can use, and no copy is left over."""
    scene, data = where.partition(":")[0], device.application.data
    assert (data / "counts").read_text().startswith("of before\n"), where
    assert (data / "format").read_text() == (DATA_AFTER.get(scene, "1") if outcome is Outcome.COMMITTED else "1"), where
    assert not (device.component_dir / guard.DATA_BEFORE).exists(), where
    versions = set((data / "counts").read_text().split()) - {"of", "before"}
    if outcome is Outcome.REVERTED and scene in COPIED_BACK:
        assert versions == {"1.0"}, where
    kept = guard.load_record(device.component_dir, "data")
    assert kept is None or kept["phase"] not in ("kept", "going_back"), where


def check(device: Device, allowed: set[Outcome], where: str) -> None:
    outcomes = device.server.outcomes()
    assert [o[0] for o in outcomes] == ["a-1"], where
    outcome = outcomes[0][1]
    assert outcome in allowed, f"{where}: {outcomes}"
    current = device.boot_control.current()
    assigned = "0.9" if where.startswith("ordered down") else "1.1"
    wanted = assigned if outcome is Outcome.COMMITTED else "1.0"
    assert device.linked_version() == device.running_version() == wanted, where
    assert device.boot_control.state(current) is SlotState.GOOD, where
    trial = guard.load_record(device.component_dir, "trial")
    if trial is not None:
        assert not guard.must_act(trial, 1e12), f"{where}: the guard would still act"
    assert device.boot_control.state(current.other) is not SlotState.GOOD or outcome is Outcome.COMMITTED, where
    assert device.start_agent().record.state is AttemptState.IDLE, where
    check_data(device, outcome, where)
