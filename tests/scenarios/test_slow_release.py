"""A release that passes every check of its devices and is slower: the server sees it and takes it back.

Nine real agents with cameras that are read for telemetry; three get the slow release, six of the same hardware are the
control. Nobody acts: the gate's metric fails the phase, the canaries go back, and nobody else ever gets it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from surefoot_simulators.camera.settings import Settings, write_settings
from surefoot_simulators.camera.tree import write_camera_tree, write_recipe
from surefoot_simulators.demo.fleet import HARDWARE
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import SOAK_S, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SLOW = "1.6"
POLICY = """
rollout: {strategy: canary}
phases:
  - {name: canary, percent: 33, bake: 20s}
  - {name: rest, percent: 100, bake: 20s}
gate:
  min_reported: 1.0
  max_wait: 4m
  looks: 1
  objectives:
    - {metric: reverted, fail_if_surely_above: 2%, tripwire: 1}
    - {metric: camera_fps, against: control, min_ratio: 0.9, critical: true, confidence: 0.9}
on_fail: {halt: true, committed_devices: revert}
"""


def test_a_canary_that_is_slower_than_its_control_is_taken_back_by_itself(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    world: World = open_world(9)
    _publish_slow(world, tmp_path)
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)

    rollout = world.update(SLOW, policy=policy)
    world.wait(lambda: world.rollout(rollout).state == "failed", "the rollout to fail and go back", 300)

    world.wait(lambda: world.all_run("1.0"), "every device on 1.0 again", 120)
    judged: Any = world.operator.run_json("rollout", "verdict", rollout)
    (verdict,) = judged
    (metric,) = verdict["metrics"]
    assert (verdict["verdict"], verdict["decision"]) == ("fail", "fail_phase")
    assert "camera_fps is 0.6" in verdict["reason"]
    assert (metric["canary"]["devices"], metric["control"]["devices"], metric["strata"]) == (3, 6, 3)
    assert metric["p"] == pytest.approx(1 / 27)
    got_it = {device for device in world.fleet.nodes if world.server.api.assignments(device)}
    assert len(got_it) == 3, "only the canaries were ever offered anything"


def _publish_slow(world: World, folder: Path) -> None:
    """1.6: 6.5 frames a second instead of 10, well above the 5 that its own health check asks for."""
    tree, out = folder / "tree", folder / "out"
    write_camera_tree(tree, SLOW)
    write_settings(tree, Settings(SLOW, fps=6.5))
    write_recipe(folder / "release.toml", SOAK_S)
    world.operator.build(tree, folder / "release.toml", out, SLOW, 106, HARDWARE)
    world.operator.sign(out)
    world.operator.publish(out)
