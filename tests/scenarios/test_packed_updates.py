"""The real server's packs and chunks reach the real agent: an update patched from what runs, and a blob by MQTT."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from surefoot_agent.downlink import Connected, LinkEvent
from surefoot_agent.download.air import Air
from surefoot_agent.download.spool import Spool
from surefoot_agent.identity import load_identity
from surefoot_agent.link import Link
from surefoot_server.broadcast import CHUNK_BYTES
from surefoot_shared import wire
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.release import digest_of, parse_manifest
from surefoot_shared.status import Presence
from surefoot_simulators.camera.tree import Faults, write_camera_tree, write_recipe
from surefoot_simulators.demo.fleet import HARDWARE
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.test_split import ALL_AT_ONCE, DEVICE, joined
from tests.scenarios.world import SOAK_S, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = random.Random(7).randbytes(400_000)
CHANGED = MODEL[:100_000] + b"retrained" + MODEL[100_000:]
OLD, NEW = "3.0", "3.1"


def publish(world: World, version: str, counter: int, model: bytes) -> Path:
    """A release with a model that no compression makes smaller; return its folder."""
    folder, operator = world.folder / "releases" / version, world.operator
    write_camera_tree(folder / "tree", version, Faults())
    (folder / "tree" / "model.bin").write_bytes(model)
    write_recipe(folder / "release.toml", SOAK_S)
    operator.build(folder / "tree", folder / "release.toml", folder / "out", version, counter, HARDWARE)
    operator.sign(folder / "out")
    operator.publish(folder / "out")
    return folder / "out"


def are_ready(world: World) -> bool:
    shown = world.operator.run_json("release", "show", f"app/{NEW}")
    assert isinstance(shown, dict)
    packs = shown["packs"]
    assert isinstance(packs, list)
    return any(isinstance(p, dict) and (p["from_release"], p["state"]) == (f"app/{OLD}", "ready") for p in packs)


def test_an_update_comes_in_a_pack_made_from_what_the_devices_run(open_world: OpenWorld) -> None:
    """One device by itself, and one in two halves: its agent may read the slots, and only the helper writes them."""
    world = open_world()
    publish(world, OLD, 300, MODEL)
    with joined(world) as split:
        for version in (OLD, NEW):
            if version == NEW:
                publish(world, NEW, 301, CHANGED)
                world.wait(lambda: are_ready(world), "packs from the old release to the new", 120.0)
            world.update(version, policy=ALL_AT_ONCE)
            world.wait(lambda: run(world, version), f"{version} on both devices", 120.0)  # noqa: B023 -- at once
        logs = [world.node.agent.log.read_text(), split.agent.log.read_text()]

    for log in logs:
        said = [line.partition("says=")[2] for line in log.splitlines() if "says=" in line]
        fetched = [int(sentence.split()[1]) for sentence in said if sentence.startswith("Fetched ")]
        assert any("patched" in sentence for sentence in said), said
        assert fetched[-1] < len(MODEL) // 100


def run(world: World, version: str) -> bool:
    devices = world.server.api.devices()
    return (
        all(device.version == version and device.state == "idle" for device in devices.values()) and DEVICE in devices
    )


@pytest.mark.needs("mosquitto")
def test_the_servers_broadcast_is_heard_by_a_devices_link(open_world: OpenWorld, tmp_path: Path) -> None:
    world = open_world()
    spec = world.node.spec
    world.node.stop()
    identity, there = load_identity(spec.state_dir), threading.Event()

    def take(event: LinkEvent) -> None:
        if isinstance(event, Connected):
            there.set()

    link = Link(identity, take, wire.encode(PresenceMessage(Presence.ONLINE, "test")))
    air = Air(identity.device)
    air.attach(link)
    raw = (publish(world, OLD, 300, MODEL) / "manifest.json").read_bytes()
    largest = max(parse_manifest(raw).files, key=lambda file: file.size)
    link.start()
    try:
        assert there.wait(30)
        for name, size in ((digest_of(raw), len(raw)), (largest.sha256, largest.size)):
            with Spool(tmp_path / "fetch").object(name) as held:
                assert air.bring(name, size, CHUNK_BYTES, held, lambda: False) == size
            assert digest_of((tmp_path / "fetch" / name).read_bytes()) == name
    finally:
        link.stop()
    assert largest.size == len(MODEL)
