"""Who owns the database and every online key installs nothing, and new roots bring the fleet back; so does no clock.

The server, the broker, the agent and the guard are the real ones; the thief publishes with the server's own name.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_simulators.camera.tree import Faults, write_camera_tree, write_recipe
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.node import environment
from surefoot_simulators.demo.server import Operator, program
from tests.scenarios.bundles import LAST, Forge
from tests.scenarios.clocks import WrongClock
from tests.scenarios.test_bad_days import reasons, runs
from tests.scenarios.world import SOAK_S, Ground, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DEVICE = "cam-01"
BUNDLE, HALT = f"surefoot/v1/d/{DEVICE}/down/bundle", "surefoot/v1/fleet/halt"


@pytest.fixture(scope="module")
def rich_ground(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """More releases with a fix, one for others' hardware, and a policy that makes the fix the least once committed."""
    made = Ground(tmp_path_factory.mktemp("rich") / "ground")
    shutil.copytree(ground.folder, made.folder)
    operator = Operator(made.folder, 1, made.folder / "no-token")
    operator.run("release", "policy", "app", "--min-svn", "1", "--keys", str(operator.keys))
    for version, counter, hw in (("1.2", 102, HARDWARE), ("1.3", 103, HARDWARE), ("2.1", 201, HARDWARE[1:])):
        folder = made.folder / "releases" / version
        write_camera_tree(folder / "tree", version, Faults())
        write_recipe(folder / "release.toml", SOAK_S)
        built = ("release", "build", str(folder / "tree"), "--component", "app", "--version", version, "--svn", "1")
        more = ("--counter", str(counter), "--hw", ",".join(hw), "--recipe", str(folder / "release.toml"))
        operator.run(*built, *more, "-o", str(made.release(version)))
        operator.sign(made.release(version))
    return made


@pytest.fixture
def world(rich_ground: Ground, tmp_path: Path) -> Iterator[World]:
    """One device on 1.0; the keys are this test's own, for they will be replaced."""
    own = Ground(tmp_path / "ground")
    shutil.copytree(rich_ground.folder, own.folder)
    made = World(own, tmp_path / "world")
    try:
        yield made.open()
    finally:
        made.close()


def install(world: World, version: str) -> None:
    world.operator.publish(world.ground.release(version))
    rollout = world.update(version)
    world.wait(lambda: world.rollout(rollout).state == "succeeded", f"{version} on the device", 120.0)
    assert runs(world, version)


def detail(world: World, field: str) -> object:
    shown = world.server.api.get(f"/api/v1/devices/{DEVICE}")
    assert isinstance(shown, dict)
    return shown[field]


def told_seq(world: World) -> int:
    """The number of the newest assignment that the agent itself says it has seen."""
    words = [program("surefoot-agent"), "status", "--json", "--config", str(world.node.spec.config)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(done.stdout)
    return int((said[0] if isinstance(said, list) else said)["seq"])


def captured(world: World) -> bytes:
    """A genuine assignment of 1.1, kept by somebody who listens; it is carried out afterwards."""
    world.node.agent.stop()
    rollout = world.update("1.1")
    kept = world.held_for(DEVICE)
    world.node.agent.start()
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "1.1 on the device", 120.0)
    return kept


def test_a_stolen_server_installs_nothing_and_new_roots_bring_the_fleet_back(world: World) -> None:
    old = captured(world)
    install(world, "1.2")
    world.wait(lambda: detail(world, "svn_floor") == 1, "the floor to follow the fix")
    for version in ("1.3", "2.1"):
        world.operator.publish(world.ground.release(version))
    before, thief = world.look(), Forge(world, DEVICE)

    attempts: list[tuple[Callable[[], bytes], str]] = [
        (thief.never_released, "not_released"),
        (lambda: thief.wrong_hardware("2.1"), "wrong_hardware"),
        (thief.below_floor, "below_svn_floor"),
        (thief.for_another_device, "wrong_device"),
        (lambda: old, "metadata_rollback"),
    ]
    for attempt, reason in attempts:
        world.say_as_server(BUNDLE, attempt())
        world.wait(lambda reason=reason: reason in reasons(world, DEVICE), f"the refusal for {reason}")
    world.say_as_server(HALT, thief.halt_for_ever("1.3"))
    world.wait(lambda: detail(world, "halt_epoch") == LAST, "the thief's halt")
    world.say_as_server(BUNDLE, thief.numbers_used_up())
    world.wait(lambda: told_seq(world) == LAST - 1, "the thief's number")
    world.say_as_server(BUNDLE, thief.clock_pushed_ahead())
    assert world.look() == before, "nothing that the thief did changed what runs"

    for key in ("director", "halt"):
        world.operator.run("keys", "revoke", key, "--keys", str(world.operator.keys))
    world.operator.run("keys", "install", str(world.operator.keys), "--data", str(world.server.data))
    world.server.stop()
    world.server.start()

    install(world, "1.3")
    assert told_seq(world) < LAST - 1
    world.wait(lambda: 0 < int(str(detail(world, "halt_epoch"))) < LAST, "halts that count again")
    world.say_as_server(BUNDLE, thief.below_floor())
    world.wait(lambda: "metadata_untrusted" in reasons(world, DEVICE), "the refusal of the old key")
    assert runs(world, "1.3")


@pytest.mark.needs("faketime")
def test_no_clock_keeps_a_device_from_its_updates(world: World, tmp_path: Path) -> None:
    """1970, ten years ahead, and back by a month between the switch and the commit."""
    clock = WrongClock(tmp_path / "clock")
    world.node.agent.stop()
    clock.give_to(world.node)

    clock.set("@1970-01-01 00:10:00")
    world.node.agent.start()
    install(world, "1.1")

    world.node.agent.stop()
    clock.set("+10y")
    world.node.agent.start()
    install(world, "1.2")

    world.operator.publish(world.ground.release("1.3"))
    rollout = world.update("1.3")
    world.wait(lambda: world.state(DEVICE) == "probation", "the switch")
    clock.set("-30d")
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the commit", 120.0)
    assert runs(world, "1.3")
