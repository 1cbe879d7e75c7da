"""A release runs beside the live one on a real device, is compared there and judged by the server, and is then kept.

The real server and a real agent; the frames go from one camera application to the other. Nothing is switched before the
ordinary rollout, which then downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import guard
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]
POLICY = """
rollout: {strategy: shadow, shadow: {for: 10s, min_fps: 10%, min_memory: 1%}}
phases: [{percent: 100, bake: 5s}]
gate:
  max_wait: 2m
  looks: 1
  objectives: [{metric: shadow_agreement_ratio, min: 0.1}]
"""


def test_a_release_is_compared_beside_the_live_one_before_anything_is_switched_to_it(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    world: World = open_world(1)
    component = world.node.spec.state_dir / "app"
    live = guard.load_application(component)
    assert live is not None
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)

    rollout = world.update(policy=policy)
    world.wait(lambda: guard.application_pids(component / guard.SHADOW), "the shadow to run", 150)
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the rollout of shadows to pass", 120)

    after = guard.load_application(component)
    assert (world.state(world.node.spec.device), after and after.start_id) == ("shadowed", live.start_id)
    assert world.all_run("1.0")
    assert guard.application_pids(component / guard.SHADOW) == []

    world.update()
    world.wait(lambda: world.all_run("1.1"), "the device on 1.1", 120)
    log = (world.node.spec.folder / "agent.log").read_text()
    assert log.count("to=downloading") == 1, "what was staged for the shadow is not fetched again"
