"""Strategies on real nodes: the order in which agents stage, switch and go back is the one that the policy says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROLLING, BLUE_GREEN = (Path(__file__).parent / f"{name}.yaml" for name in ("rolling", "blue_green"))
SAID = """
    SELECT e.device_id, COALESCE(e.outcome, e.state) FROM device_event e JOIN assignment a ON a.id = e.assignment_id
    WHERE a.rollout_id = ? AND a.intent = ? AND e.kind IN ('progress', 'outcome') ORDER BY e.id
"""


def said(world: World, rollout: str, intent: str = "update") -> list[tuple[str, str]]:
    """What devices reported of their attempts, in the order in which the server stored it."""
    with closing(sqlite3.connect(world.server.data / "surefoot.db")) as database:
        return list(database.execute(SAID, (rollout, intent)))


def test_rolling_has_one_device_at_a_time_between_two_releases(open_world: OpenWorld) -> None:
    world = open_world(devices=3)
    rollout = world.update(policy=ROLLING)
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the end of the rollout", 150.0)

    switching: set[str] = set()
    for device, state in said(world, rollout):
        if state in ("armed", "switching", "probation", "committing"):
            switching.add(device)
        elif state == "committed":
            switching.remove(device)
        assert len(switching) <= 1
    assert world.all_run("1.1")


def test_blue_green_stages_everywhere_then_switches_and_goes_back_together_without_a_download(
    open_world: OpenWorld,
) -> None:
    world = open_world(devices=3)
    rollout = world.update(policy=BLUE_GREEN)
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the end of the rollout", 150.0)
    states = [state for _, state in said(world, rollout)]
    first_switch = next(i for i, state in enumerate(states) if state == "armed")
    assert states[:first_switch].count("staged") >= 3
    assert "committed" not in states[:first_switch]

    world.operator.run("rollout", "revert", rollout, "--yes")
    world.wait(lambda: world.rollout(rollout).state == "failed", "the end of the way back", 150.0)

    back = said(world, rollout, "revert")
    assert sorted(device for device, state in back if state == "committed") == ["cam-01", "cam-02", "cam-03"]
    assert "downloading" not in {state for _, state in back}
    assert world.all_run("1.0")
