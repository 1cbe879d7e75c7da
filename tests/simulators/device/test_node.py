"""A simulated device is the agent's own core on played hands: the same module objects, driven from event to event."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent import attempt, component, effects, reconcile, runner, startup
from surefoot_agent.health import probation
from surefoot_agent.reset_cause import Cause
from surefoot_shared import wire
from surefoot_shared.identity import generate_key
from surefoot_shared.messages import Hello, Sealed
from surefoot_shared.release import Manifest, digest_of, manifest_bytes
from surefoot_shared.status import AttemptState, SlotName
from surefoot_shared.topics import up
from surefoot_simulators.device import node as nodes
from surefoot_simulators.device.birth import Birth
from surefoot_simulators.device.board import End
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.device.conduct import GOOD, Conduct, Scenery
from surefoot_simulators.device.node import Node
from surefoot_simulators.world.broker import WorldBroker
from surefoot_simulators.world.events import EventQueue
from tests.agent.trees import release

FILES = {"run": b"#!/bin/sh\n"}
KEY = generate_key()
CORE = (
    "machine",
    "reconcile",
    "runner",
    "component",
    "attempt",
    "effects",
    "startup",
    "journal",
    "trial",
    "guard",
    "trust",
    "trust_child",
    "health.probation",
    "health.camera",
    "health.metric",
)


class Yard:
    """Room for one device, and nobody else."""

    def __init__(self, folder: Path, boot: Kind) -> None:
        self.queue = EventQueue()
        self.later: Callable[[float, Callable[[], None]], None] = self.queue.later
        self.broker = WorldBroker(self.queue)
        self.blobs = {digest_of(content): content for content in FILES.values()}
        self.started_at = datetime(2030, 1, 1, tzinfo=timezone.utc)
        self.stirs, self.conducts = 0, dict[str, Conduct]()
        self.manifest: Manifest = release(FILES, "1.0", ("run",))
        self.birth = Birth("cam-1", "x86-box", "hue", KEY, boot=boot, heartbeat_s=900.0, telemetry_s=1e6)
        self.node = Node(self.birth, folder / "cam-1", self, {})
        self.node.provision("app", self.manifest, manifest_bytes(self.manifest))

    def now(self) -> float:
        return self.queue.now

    def chance(self, *about: object) -> random.Random:
        return random.Random(str(about))

    def size_of(self, size_bytes: int) -> int:
        return size_bytes

    def conduct(self, birth: Birth, version: str) -> Conduct:
        return self.conducts.get(version, GOOD)

    def figures(self, birth: Birth, conduct: Conduct, up_s: float) -> Mapping[str, float]:
        return Scenery(1).figures(birth.name, birth.site, conduct, self.queue.now, up_s)

    def speaks(self, node: Node) -> None:
        """Nobody listens to what it logs."""

    def stirred(self, node: Node) -> None:
        self.stirs += 1

    def said(self, what: str) -> list[bytes]:
        return [t.payload for t in self.broker.waiting() if t.topic == up("cam-1", what)]


@pytest.fixture(params=[Kind.LINK, Kind.COUNTER], ids=["folder", "root"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path, request.param)
    yield made
    made.node.lanes.end()
    if made.node.journal is not None:
        made.node.journal.close()


def test_every_part_of_the_core_is_the_agents_own_module_and_none_is_copied() -> None:
    for name in CORE:
        assert f"surefoot_agent.{name}" in sys.modules, name
    own = {p.stem for p in Path(nodes.__file__).parent.glob("*.py")}
    assert own & {"machine", "reconcile", "runner", "component", "attempt", "effects", "startup", "probation"} == set()


def test_what_a_node_runs_is_what_a_device_runs(yard: Yard) -> None:
    yard.node.start()
    live = yard.node.runner

    assert type(live) is runner.Runner
    assert nodes.Runner is runner.Runner
    assert vars(attempt)["step"] is sys.modules["surefoot_agent.machine"].step
    assert vars(component)["decide"] is reconcile.decide
    assert vars(sys.modules["surefoot_agent.watch"])["probation"] is probation
    assert vars(attempt)["effects"] is effects
    assert vars(component)["startup"] is startup


def test_a_device_that_is_switched_on_says_hello_and_what_runs(yard: Yard) -> None:
    yard.node.start()
    yard.queue.run(30.0)

    sealed = wire.decode(Sealed, yard.said("hello")[0])
    hello = wire.decode(Hello, sealed.payload.encode())
    assert (hello.device, hello.components[0].state) == ("cam-1", AttemptState.IDLE)
    assert (yard.node.version(), yard.node.slot(), yard.node.state) == ("1.0", SlotName.A, AttemptState.IDLE)


def test_a_quiet_device_is_stepped_seldom_and_still_says_its_heartbeat(yard: Yard) -> None:
    yard.node.start()
    yard.queue.run(3 * 3600.0)

    assert yard.node.steps < 60
    assert len(yard.said("hello")) >= 5


def test_a_power_cut_ends_everything_and_the_next_boot_is_another(yard: Yard) -> None:
    yard.node.start()
    yard.queue.run(60.0)
    before = yard.node.board.boot_id()

    yard.node.end(End(Cause.POWER_CUT, off_s=30.0))
    dark = yard.node.version()
    yard.queue.run(300.0)

    assert dark is None
    assert yard.node.board.boot_id() != before
    assert yard.node.version() == "1.0"
    assert yard.node.bootable()


def test_a_device_that_died_for_good_stays_dead(yard: Yard) -> None:
    yard.node.start()
    yard.queue.run(60.0)

    yard.node.end(End(Cause.POWER_CUT, for_good=True))
    yard.queue.run(7200.0)

    assert yard.node.dead
    assert yard.node.runner is None


def test_a_second_agent_beside_a_living_one_is_a_bug_of_ours(yard: Yard) -> None:
    yard.node.start()

    with pytest.raises(RuntimeError, match="cam-1 has an agent already"):
        yard.node.start()


def test_an_agent_that_is_killed_comes_back_to_the_same_machine(yard: Yard) -> None:
    yard.node.start()
    yard.queue.run(60.0)
    before = (yard.node.board.boot_id(), yard.node.version())

    yard.node.end(End(Cause.APPLICATION_DIED, agent_only=True))
    between = yard.node.runner
    yard.queue.run(120.0)

    assert between is None
    assert yard.node.runner is not None
    assert (yard.node.board.boot_id(), yard.node.version()) == before
