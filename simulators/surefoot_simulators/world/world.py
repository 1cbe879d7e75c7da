"""A fleet, a broker and a server in one process, on one queue of events: what a scenario is played on.

Promises: every number is drawn from the scenario's seed and what it is about; the fleet is made of real agent cores and
the server of its real services; what is recorded of a device is read from the device, never from what it says.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec

from surefoot_agent.clock import stamp
from surefoot_server.cohorts import grammar
from surefoot_server.cohorts.grammar import Traits
from surefoot_shared.identity import DeviceKey
from surefoot_shared.release import digest_of
from surefoot_simulators.device.birth import Birth
from surefoot_simulators.device.conduct import GOOD, Conduct, Scenery
from surefoot_simulators.device.lanes import Later
from surefoot_simulators.device.node import Node
from surefoot_simulators.world.acts import Acts
from surefoot_simulators.world.broker import WorldBroker
from surefoot_simulators.world.events import EventQueue
from surefoot_simulators.world.exchange import Exchange, MemoryExchange
from surefoot_simulators.world.groups import Group
from surefoot_simulators.world.holds import Holds
from surefoot_simulators.world.notes import Notes
from surefoot_simulators.world.recording import RecordedDevice, Teller
from surefoot_simulators.world.release_tables import Release
from surefoot_simulators.world.releases import BYTE, STARTED_AT, Made, demand, keys_made, make_release
from surefoot_simulators.world.scenario import Scenario
from surefoot_simulators.world.scratch import room_for, scratch_folder
from surefoot_simulators.world.site import Site

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256: private keys are below it. Source: FIPS 186-4, D.1.2.3."""
QUIET_S = 1800.0
"""Longest step of a device that has nothing to do: its own timers ring late by no more."""
SWITCHED_ON_S = 60.0
"""Within which a fleet is switched on at the start."""


class World:
    """`close` removes its folder."""

    def __init__(self, scenario: Scenario, seed: int, exchange: Exchange | None = None) -> None:
        """`exchange` passes the messages; it stays its maker's to close. Without one they are passed in memory."""
        self.scenario, self.seed = scenario, seed
        self.queue = EventQueue()
        self.later: Later = self.queue.later
        self.folder = scratch_folder(room_for(sum(group.count for group in scenario.groups)))
        self.started_at = STARTED_AT
        self.scenery = Scenery(seed, scenario.begins_at_hour, scenario.night_ratio, usual=scenario.usual)
        self.broker = WorldBroker(self.queue, exchange or MemoryExchange())
        self.blobs: dict[str, bytes] = {}
        self.faults: Counter[str] = Counter()
        """Strikes by kind."""
        self.struck: Counter[int] = Counter()
        """Strikes by the place of the fault in the scenario."""
        self.lasting = Holds(self.later)
        self.acts = Acts(self)
        self.speaker: str | None = None
        """The device whose agent is at work."""
        self._conducts: dict[tuple[str, str], Conduct] = {}
        self._ids = self.chance("ids")
        self.releases = {release.version: release for release in scenario.releases}
        keys = keys_made(scenario.components)
        shutil.copytree(keys, self.folder / "keys")
        self.notes = Notes(self)
        self.nodes: dict[str, Node] = {}
        self.site = Site(
            self.folder / "server",
            self.folder / "keys",
            self.queue,
            self.broker,
            self.new_id,
            self.notes.looked,
            self._alive,
        )
        if scenario.least_svn:
            demand(self.folder / "keys", scenario.component, scenario.least_svn)
        self.made = {version: self._publish(release) for version, release in self.releases.items()}
        self.nodes = {node.birth.name: node for node in self._populate()}
        self.born = {name: self._recorded(node) for name, node in self.nodes.items()}

    def close(self) -> None:
        for node in self.nodes.values():
            node.lanes.end()
            if node.journal is not None:
                node.journal.close()
        self.site.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- around each device -------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.queue.now

    def chance(self, *about: object) -> random.Random:
        return random.Random(":".join(map(str, (self.seed, *about))))  # noqa: S311 -- repeatable is what is wanted

    def size_of(self, size_bytes: int) -> int:
        return size_bytes * BYTE

    def conduct(self, birth: Birth, version: str) -> Conduct:
        key = (birth.name, version)
        if key not in self._conducts:
            self._conducts[key] = self._conduct(birth, version)
        return self._conducts[key]

    def figures(self, birth: Birth, conduct: Conduct, up_s: float) -> Mapping[str, float]:
        return self.scenery.figures(birth.name, birth.site, conduct, self.queue.now, up_s)

    def speaks(self, node: Node) -> None:
        self.speaker = node.birth.name

    def stirred(self, node: Node) -> None:
        self.notes.seen(node)

    # --- for faults, acts and expectations ----------------------------------------------------------------------------

    def chosen(self, where: str, share: float, count: int, *about: object) -> list[Node]:
        """A share, or so many, of the devices for which the expression holds; the same for the same seed."""
        fitting = [node for node in self.nodes.values() if self.holds(where, node.birth)]
        fitting.sort(key=lambda node: self.scenery.draw(*about, node.birth.name))
        return fitting[: count or round(share * len(fitting))]

    def holds(self, where: str, birth: Birth) -> bool:
        traits = Traits(birth.name, birth.hw, {**birth.attributes, "site": birth.site}, frozenset(birth.tags))
        return grammar.matches(grammar.parse(where), traits)

    def tell(self, by: Teller, text: str, device: str | None = None) -> None:
        self.notes.tell(by, text, device)

    def switch_on(self) -> None:
        for node in self.nodes.values():
            self.queue.at(self.on_at(node), node.start)
        self.site.start_looking()

    def on_at(self, node: Node) -> float:
        """When it is switched on."""
        return SWITCHED_ON_S * self.scenery.draw("on", node.birth.name)

    def new_id(self) -> str:
        return f"{self._ids.getrandbits(128):032x}"

    def _alive(self) -> Iterable[str]:
        return (
            n.birth.name for n in self.nodes.values() if n.runner is not None and n.link.connected and n.link.reachable
        )

    # --- making -------------------------------------------------------------------------------------------------------

    def _conduct(self, birth: Birth, version: str) -> Conduct:
        release = self.releases.get(version)
        for number, effect in enumerate(release.effects if release else ()):
            drawn = self.scenery.draw("effect", version, number, birth.name)
            if self.holds(effect.where, birth) and drawn < effect.share:
                return effect.conduct
        return GOOD

    def _publish(self, release: Release) -> Made:
        made = make_release(
            self.folder / "keys",
            self.folder / "releases",
            release.component,
            release.version,
            release.counter,
            release.hw or self.scenario.hardware,
            release.checks,
            release.probation,
            release.size_bytes,
            release.svn,
            release.shadow,
        )
        self.blobs.update(made.blobs)
        self.blobs[digest_of(made.raw)] = made.raw
        self.site.publish(made)
        return made

    def _populate(self) -> Iterable[Node]:
        number = 0
        for group in self.scenario.groups:
            for _ in range(group.count):
                number += 1
                yield self._node(group, number)

    def _node(self, group: Group, number: int) -> Node:
        scenario, name = self.scenario, group.called(number)
        birth = Birth(
            name=name,
            hw=group.hw,
            site=group.sites[number % len(group.sites)],
            key=self._key(name),
            component=scenario.component,
            beside=scenario.components[1:],
            boot=group.boot,
            attributes=group.attributes,
            tags=group.tags,
            heartbeat_s=scenario.heartbeat_s,
            telemetry_s=scenario.telemetry_s,
            quiet_s=min(scenario.telemetry_s, scenario.heartbeat_s, QUIET_S),
            guard_budget_s=group.guard_budget_s,
        )
        node = Node(birth, self.folder / "devices" / name, self, self.site.roots)
        node.link.network, node.slots.free_bytes = group.network, int(group.free_bytes)
        for component in scenario.components:
            first = self.made[scenario.first_of(component, group)]
            node.provision(component, first.manifest, first.raw)
        self.site.enrol(name, birth.hw, birth.key.public_key(), {**birth.attributes, "site": birth.site}, birth.tags)
        return node

    def _key(self, name: str) -> DeviceKey:
        secret = int.from_bytes(hashlib.sha256(f"{self.seed}:{name}:key".encode()).digest(), "big")
        return ec.derive_private_key(secret % (ORDER - 1) + 1, ec.SECP256R1())

    def _recorded(self, node: Node) -> RecordedDevice:
        birth = node.birth
        version = self.made[_runs(self.scenario, birth.name, node)].manifest.version
        return RecordedDevice(birth.name, birth.hw, birth.site, version, birth.tags, dict(birth.attributes))

    def started(self) -> str:
        return stamp(STARTED_AT)


def _runs(scenario: Scenario, name: str, node: Node) -> str:
    manifest = node.slots.installed(node.boot.current())
    return manifest.version if manifest else scenario.runs
