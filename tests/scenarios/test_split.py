"""A device in two halves takes part like any other: the real server, agent, helper and guard, each its own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.split import SplitNode
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import SETTINGS, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ALL_AT_ONCE = Path(__file__).parent / "all_at_once.yaml"
DEVICE = "cam-split"


def runs(node: SplitNode, slot: str) -> bool:
    record = guard.load_application(node.component_dir)
    alive = record is not None and guard.process_alive(record) and record.slot == slot
    return alive and guard.current_slot(node.component_dir) == slot


def served(node: SplitNode) -> int:
    """How many of the helper's lives got so far as to change something."""
    lives = node.helper.log.read_text().split("serving socket=")[1:]
    return sum("done verb=" in life for life in lives)


@contextmanager
def joined(world: World) -> Iterator[SplitNode]:
    """A device in two halves that is enrolled in this world, and in contact with 1.0 running."""
    node = SplitNode(DEVICE, HARDWARE[0], world.folder / "split", SETTINGS)
    token, keys = world.operator.enrolment_token(1), world.operator.keys
    node.enrol(world.server.device_url, keys / "bootstrap", token, world.ground.release("1.0"))
    node.start()
    try:
        world.wait(lambda: world.server.api.devices()[DEVICE].version == "1.0", "the split device on 1.0")
        yield node
    finally:
        node.stop()


@pytest.fixture
def split(open_world: OpenWorld) -> Iterator[tuple[World, SplitNode]]:
    world = open_world()
    with joined(world) as node:
        yield world, node


def test_an_update_through_the_helper_is_committed_though_the_helper_dies_again_and_again(
    split: tuple[World, SplitNode],
) -> None:
    world, node = split
    world.update(policy=ALL_AT_ONCE)
    world.wait(lambda: world.state(DEVICE) not in ("none", "offered"), "the update to begin")

    for deaths in range(1, 5):
        world.wait(lambda least=deaths: served(node) >= least, "the helper to change something")  # type: ignore[misc]
        node.helper.kill()

    world.wait(lambda: (last := world.last(DEVICE)) and last.outcome, "an outcome", 120.0)
    assert world.state(DEVICE) == "committed"
    assert runs(node, "B")
    assert guard.slot_states(node.component_dir)["B"] == "good"
    assert not (node.folder / "state" / "app").exists()  # nothing of the component is in the agent's folder
