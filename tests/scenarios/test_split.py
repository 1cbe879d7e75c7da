"""A device in two halves takes part like any other: the real server, agent, helper and guard, each its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.node import environment
from surefoot_simulators.demo.server import program
from surefoot_simulators.demo.unit import Unit
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import SETTINGS, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ALL_AT_ONCE = Path(__file__).parent / "all_at_once.yaml"
DEVICE = "cam-split"


class SplitNode:
    """Enrolled, adopted with 1.0, and started: agent, helper and guard."""

    def __init__(self, world: World) -> None:
        self.folder = world.folder / "split"
        self.component_dir = self.folder / "helper" / "app"
        self.folder.mkdir()
        self.config = self.folder / "agent.toml"
        self.config.write_text(self._settings())
        self._run("enrol", *self._enrolment(world))
        self._run("adopt", "--release", str(world.ground.release("1.0")))
        agent, helper = ([program("surefoot-agent"), name, "--config", str(self.config)] for name in ("run", "helper"))
        watch = [sys.executable, "-I", str(guard.__file__), "--component-dir", str(self.component_dir)]
        self.helper = Unit("helper", helper, environment(), self.folder / "helper.log")
        self.units = [
            self.helper,
            Unit("guard", watch, environment(), self.folder / "guard.log"),
            Unit("agent", agent, environment(), self.folder / "agent.log"),
        ]
        for unit in self.units:
            unit.start()

    def _settings(self) -> str:
        told = {
            "state_dir": str(self.folder / "state"),
            "helper_dir": str(self.folder / "helper"),
            "helper_socket": str(self.folder / "helper.sock"),
            "app_socket_dir": str(self.folder),
            **SETTINGS,
        }
        app = {"PATH": environment()["PATH"], "SUREFOOT_HW": HARDWARE[0], "CAMERA_SEED": "7"}
        tables = (told.items(), app.items())
        lines = ["\n".join(f"{key} = {json.dumps(value)}" for key, value in table) for table in tables]
        return "\n[app_env]\n".join(lines) + "\n"

    def _enrolment(self, world: World) -> list[str]:
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text(world.operator.enrolment_token(1))
        bootstrap = str(world.operator.keys / "bootstrap")
        server = ["--server", world.server.device_url, "--bootstrap", bootstrap, "--token-file", str(token)]
        return [*server, "--device", DEVICE, "--hw", HARDWARE[0]]

    def _run(self, *words: str) -> None:
        command = [program("surefoot-agent"), words[0], "--config", str(self.config), *words[1:]]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def runs(self, slot: str) -> bool:
        record = guard.load_application(self.component_dir)
        alive = record is not None and guard.process_alive(record) and record.slot == slot
        return alive and guard.current_slot(self.component_dir) == slot

    def served(self) -> int:
        """How many of the helper's lives got so far as to change something."""
        lives = self.helper.log.read_text().split("serving socket=")[1:]
        return sum("done verb=" in life for life in lives)

    def close(self) -> None:
        for unit in self.units:
            unit.stop()
        guard.stop_application(self.component_dir, 2.0)


@pytest.fixture
def split(open_world: OpenWorld) -> Iterator[tuple[World, SplitNode]]:
    world = open_world()
    node = SplitNode(world)
    try:
        world.wait(lambda: world.server.api.devices()[DEVICE].version == "1.0", "the split device on 1.0")
        yield world, node
    finally:
        node.close()


def test_an_update_through_the_helper_is_committed_though_the_helper_dies_again_and_again(
    split: tuple[World, SplitNode],
) -> None:
    world, node = split
    world.update(policy=ALL_AT_ONCE)
    world.wait(lambda: world.state(DEVICE) not in ("none", "offered"), "the update to begin")

    for deaths in range(1, 5):
        world.wait(lambda least=deaths: node.served() >= least, "the helper to change something")  # type: ignore[misc]
        node.helper.kill()

    world.wait(lambda: (last := world.last(DEVICE)) and last.outcome, "an outcome", 120.0)
    assert world.state(DEVICE) == "committed"
    assert node.runs("B")
    assert guard.slot_states(node.component_dir)["B"] == "good"
    assert not (node.folder / "state" / "app").exists()  # nothing of the component is in the agent's folder
