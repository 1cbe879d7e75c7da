"""Bad input and bad luck on real parts: each ends with a clear error, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_shared.release import parse_manifest
from surefoot_simulators.demo.node import Node, NodeSpec, environment
from surefoot_simulators.demo.server import Ports, Server, program
from tests.scenarios.bundles import Forge
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TWO_STEPS = Path(__file__).parent / "two_steps.yaml"
BUSY = ("downloading", "verified", "staged", "armed", "switching", "probation", "committing")


def runs(world: World, version: str) -> bool:
    running = world.look().running
    return running is not None and running.version == version


# --- the server and its broker ----------------------------------------------------------------------------------------


def test_a_broker_that_dies_in_the_middle_returns_and_the_update_is_committed(open_world: OpenWorld) -> None:
    world = open_world()
    rollout = world.update()
    world.wait(lambda: world.state("cam-01") in BUSY, "the update to begin")

    pid = int(next((world.server.data / "broker").glob("*.pid")).read_text())
    os.kill(pid, signal.SIGKILL)

    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the end of the rollout")
    assert world.state("cam-01") == "committed"
    assert runs(world, "1.1")


def test_a_rollout_goes_on_where_it_was_after_the_server_was_killed(open_world: OpenWorld) -> None:
    world = open_world(devices=2)
    rollout = world.update(policy=TWO_STEPS)
    world.wait(lambda: "probation" in (world.state("cam-01"), world.state("cam-02")), "the first device to switch")

    world.server.kill()
    world.server.start()

    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the end of the rollout", 120.0)
    assert [phase.state for phase in world.rollout(rollout).phases] == ["passed", "passed"]
    assert world.all_run("1.1")


def test_an_agent_finishes_its_update_while_the_server_is_away_and_reports_it_later(open_world: OpenWorld) -> None:
    world = open_world()
    rollout = world.update()
    world.wait(lambda: world.state("cam-01") == "probation", "the switch")

    world.server.stop()
    world.wait(lambda: runs(world, "1.1"), "the new release on disk")
    world.server.start()

    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the end of the rollout")
    assert world.state("cam-01") == "committed"


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(calm: World) -> None:
    other = Ports.free()
    second = Server(calm.folder, calm.operator.keys, other)

    done = subprocess.run(
        second.command(calm.operator.keys), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode not in (0, 2)
    assert "Another server runs on" in done.stderr
    assert calm.server.api.healthy()


@pytest.mark.parametrize("which", ["api", "device", "mqtt"])
def test_a_taken_port_is_named_and_nothing_is_started(calm: World, tmp_path: Path, which: str) -> None:
    free = Ports.free()
    taken = getattr(calm.server.ports, which)
    ports = Ports(**{"device": free.device, "api": free.api, "mqtt": free.mqtt, which: taken})
    server = Server(tmp_path, calm.operator.keys, ports)

    done = subprocess.run(
        server.command(calm.operator.keys), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode not in (0, 2)
    assert str(taken) in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_setting_of_the_server_is_named(calm: World, tmp_path: Path) -> None:
    server = Server(tmp_path, calm.operator.keys, Ports.free())
    env = environment({"SUREFOOT_SERVER_API_PROT": "8080"})

    done = subprocess.run(
        server.command(calm.operator.keys), env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode != 0
    assert "SUREFOOT_SERVER_API_PROT" in done.stderr


# --- the agent's own configuration and identity -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('state_dri = "/tmp/x"\n', "state_dri"),
        ("guard_budget_s = 1\n", "guard_budget_s"),
        ("state_dir = \n", "agent.toml"),
    ],
)
def test_an_unreadable_config_is_an_error_that_names_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(text)

    done = subprocess.run(
        [program("surefoot-agent"), "run", "--config", str(config)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode not in (0, 130)
    assert named in done.stderr
    assert str(config) in done.stderr
    assert "Traceback" not in done.stderr


def test_an_agent_without_identity_says_that_it_must_be_enrolled(tmp_path: Path) -> None:
    node = Node(NodeSpec("cam-09", "rpi5", tmp_path / "cam-09"))

    done = subprocess.run(
        [program("surefoot-agent"), "run", "--config", str(node.spec.config)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "enrol" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_agents_with_one_identity_are_shown_as_such_and_the_device_goes_on(open_world: OpenWorld) -> None:
    world = open_world()
    node, before = world.node, world.look()
    twin = Node(NodeSpec("cam-01", node.spec.hw, world.folder / "twin", settings=node.spec.settings))
    world.extra.append(twin)
    # A cloned card wakes up on another board: the process of its record does not exist there.
    left_out = shutil.ignore_patterns("*.sock*", "app.json", "metrics_port")
    shutil.copytree(node.spec.state_dir, twin.spec.state_dir, symlinks=True, ignore=left_out)

    twin.agent.start()

    world.wait(lambda: world.server.api.devices()["cam-01"].attention == "identity_conflict", "the conflict")
    assert world.look() == before

    twin.stop()
    rollout = world.update()
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the update after the twin was gone", 150.0)
    assert runs(world, "1.1")


# --- artifacts and room -----------------------------------------------------------------------------------------------


def alter(blob: Path) -> None:
    raw = bytearray(blob.read_bytes())
    raw[len(raw) // 2] ^= 1
    blob.write_bytes(bytes(raw))


def truncate(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes()[:-10])


@pytest.mark.parametrize("harm", [alter, truncate])
def test_an_artifact_harmed_on_the_servers_disk_never_runs(open_world: OpenWorld, harm: Callable[[Path], None]) -> None:
    world = open_world()
    before = world.look()
    manifest = parse_manifest((world.ground.release("1.1") / "manifest.json").read_bytes())
    settings = next(f for f in manifest.files if f.path == "settings.json")

    harm(next((world.server.data / "blobs").rglob(settings.sha256)))
    rollout = world.update()

    world.wait(lambda: world.rollout(rollout).state in ("failed", "held"), "the rollout to stop", 120.0)
    last, after = world.last("cam-01"), world.look()
    assert last is not None
    assert (last.outcome, last.reason) == ("failed", "artifact_corrupt")
    assert (after.current, after.start_id, after.slots["A"]) == (before.current, before.start_id, before.slots["A"])
    assert not after.slots["B"].whole


def test_too_little_room_is_refused_before_the_first_byte(open_world: OpenWorld) -> None:
    world = open_world()
    node, before = world.node, world.look()
    text = node.spec.config.read_text()
    node.spec.config.write_text(text.replace("reserve_bytes = 0", f"reserve_bytes = {1 << 40}"))
    node.agent.kill()

    world.update()

    world.wait(lambda: world.state("cam-01") == "refused", "the refusal")
    last = world.last("cam-01")
    assert last is not None
    assert last.reason == "no_space"
    assert world.look() == before
    assert not any((node.spec.component_dir / "slots" / "B").glob("**/*"))


# --- orders that must not be followed ---------------------------------------------------------------------------------


def test_a_release_for_other_hardware_is_never_offered(calm: World) -> None:
    before = calm.fleet.look()
    calm.operator.publish(calm.ground.release("2.0"))

    answer = calm.operator.attempt(
        *("rollout", "start", "--release", "app/2.0", "--cohort", "device == 'cam-02'"),
        *("--policy", str(TWO_STEPS), "--yes"),
    )

    assert answer.code == 5
    assert "cam-02 because the release is not made for rpi5" in answer.err
    assert calm.last("cam-02") is None
    assert calm.fleet.look() == before


def reasons(world: World, device: str) -> set[str]:
    """Every reason that the device itself reported."""
    shown = world.server.api.get(f"/api/v1/devices/{device}")
    assert isinstance(shown, dict)
    events = shown["events"]
    assert isinstance(events, list)
    return {str(event["reason"]) for event in events if isinstance(event, dict)}


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (Forge.for_another_device, "wrong_device"),
        (Forge.expired, "metadata_expired"),
        (Forge.wrong_hardware, "wrong_hardware"),
        (Forge.never_released, "not_released"),
        (Forge.signed_by_a_stranger, "metadata_untrusted"),
        (Forge.truncated, "bundle_malformed"),
    ],
)
def test_a_bundle_that_must_not_be_followed_is_refused_with_its_reason(
    calm: World, forged: Callable[[Forge], bytes], reason: str
) -> None:
    before = calm.fleet.look()["cam-02"]

    calm.say_as_server("surefoot/v1/d/cam-02/down/bundle", forged(Forge(calm, "cam-02")))

    calm.wait(lambda: reason in reasons(calm, "cam-02"), f"the report of {reason}")
    assert calm.fleet.look()["cam-02"] == before


def test_a_bundle_captured_from_another_device_moves_nothing_and_the_next_update_is_committed(
    open_world: OpenWorld,
) -> None:
    world = open_world(devices=2)
    before = world.look()
    world.fleet.nodes["cam-02"].agent.stop()
    rollout = world.operator.start_rollout("1.1", "device == 'cam-02'", TWO_STEPS)
    captured = world.held_for("cam-02")
    world.fleet.nodes["cam-02"].agent.start()

    world.say_as_server("surefoot/v1/d/cam-01/down/bundle", captured)

    world.wait(lambda: "wrong_device" in reasons(world, "cam-01"), "the report")
    assert world.look() == before
    world.wait(lambda: world.rollout(rollout).state == "succeeded", "the other device's own update", 120.0)
    own = world.operator.start_rollout("1.1", "device == 'cam-01'", TWO_STEPS)
    world.wait(lambda: world.rollout(own).state == "succeeded", "its own update", 120.0)
    assert runs(world, "1.1")
