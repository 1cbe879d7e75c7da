"""The agent of a device in two halves dies alone, at points of its own, and another one starts beside the old helper.

A share of the points is tried, and all of them where SUREFOOT_CRASH_ALL is set (`make soak`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from surefoot_agent.privileged import steward
from surefoot_agent.reset_cause import Cause
from surefoot_shared.status import Outcome
from tests.agent.privileged.image_rig import way_back_by
from tests.crash.lone import LoneDevice
from tests.crash.lone_set import SetDevice
from tests.crash.scenes import DATA_SCENES, SCENES, Scene
from tests.crash.sweep import Recorder

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
SHARE = 1 if os.environ.get("SUREFOOT_CRASH_ALL") else 13
"""Odd, as most requests have three points."""
SET_SHARE = 1 if os.environ.get("SUREFOOT_CRASH_ALL") else 73
CHOSEN = (SCENES[1], *DATA_SCENES[:2])
D = TypeVar("D", LoneDevice, SetDevice)


def prepared(folder: Path, scene: Scene) -> LoneDevice:
    shutil.rmtree(folder, ignore_errors=True)
    device = LoneDevice(folder)
    scene.prepare(device)  # type: ignore[arg-type]  # what scenes use of a node, a device has
    device.sign()
    device.world.points, device.world.trace = 0, []
    return device


def of_a_set(folder: Path, outcome: Outcome) -> SetDevice:
    """1.1 of the application is sick, where its set is not to be committed."""
    shutil.rmtree(folder, ignore_errors=True)
    device = SetDevice(folder)
    if outcome is not Outcome.COMMITTED:
        device.health.sick_parts = {("app", "1.1")}
    return device


def swept(
    make: Callable[[], D],
    allowed: frozenset[Outcome],
    tried: tuple[int, int],
    record_property: Recorder,
    between: Callable[[D], None],
) -> tuple[dict[str, list[str]], list[str]]:
    """The promises that were broken, by the point at which the agent died, and all points of an undisturbed run.

    `tried`: (how many points are passed over, which one of how many is tried). `between` happens after the death.
    """
    with closing(make()) as device:
        assert device.run()
        trace = list(device.world.trace)
        assert device.broken_promises(allowed) == []
    begin, share = tried
    points = range(1 + begin, len(trace) + 1, share)
    record_property("instants", len(points))
    record_property("of", len(trace))
    broken = {}
    for point in points:
        with closing(make()) as device:
            device.world.cut_at = point
            died = not device.run()
            between(device)
            promises = [] if died and device.run() else ["it did not die, or died twice"]
            if promises := promises or device.broken_promises(allowed):
                broken[f"{point} {trace[point - 1]}"] = promises
    return broken, trace


@pytest.mark.parametrize("outcome", [Outcome.COMMITTED, Outcome.REVERTED])
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
def test_a_root_and_an_application_of_two_halves_end_as_one_set_wherever_the_agent_dies(
    tmp_path: Path, outcome: Outcome, power: bool, monkeypatch: pytest.MonkeyPatch, record_property: Recorder
) -> None:
    monkeypatch.setattr(steward, "way_back", way_back_by(tmp_path / "reboot"))
    allowed = frozenset({outcome, Outcome.REVERTED}) if power else frozenset({outcome})  # it is a one-shot bootloader

    broken, _ = swept(
        lambda: of_a_set(tmp_path / "device", outcome),
        allowed,
        (7 * power, SET_SHARE),
        record_property,
        lambda device: device.restart_machine(Cause.POWER_CUT) if power else None,
    )

    assert broken == {}


@pytest.mark.parametrize("scene", CHOSEN, ids=[scene.name for scene in CHOSEN])
def test_an_agent_that_dies_beside_a_living_helper_is_followed_by_one_that_ends_it(
    tmp_path: Path, scene: Scene, record_property: Recorder
) -> None:
    begin = len(scene.name) % SHARE

    broken, trace = swept(
        lambda: prepared(tmp_path / "device", scene), scene.allowed, (begin, SHARE), record_property, lambda _: None
    )

    assert broken == {}
    assert {"sent arm", "after start", "half of write", "before journal save", "before decide"} <= set(trace)
