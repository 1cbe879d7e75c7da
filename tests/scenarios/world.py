"""A small real world for bad days: the real server and one or two real agents, with short probations.

Everything is done by the programs' own command lines on files and processes of a temporary folder. `Ground` holds what
is expensive and never changes: keys, built and signed releases.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from surefoot_agent.identity import load_identity
from surefoot_server.pki.ca import load_ca
from surefoot_shared.errors import SurefootError
from surefoot_shared.identity import generate_key, key_to_pem
from surefoot_simulators.camera.tree import Faults, write_camera_tree, write_recipe
from surefoot_simulators.demo.disk import DeviceOnDisk
from surefoot_simulators.demo.fleet import HARDWARE, Fleet
from surefoot_simulators.demo.node import Node
from surefoot_simulators.demo.seen import SeenAssignment, SeenRollout
from surefoot_simulators.demo.server import Operator, Ports, Server
from surefoot_simulators.demo.story import POLICIES

SETTINGS: Mapping[str, float] = {
    "guard_budget_s": 60.0,
    "telemetry_interval_s": 2.0,
    "heartbeat_interval_s": 5.0,
    "reserve_bytes": 0,
}
SOAK_S = 2.0
ONE = POLICIES / "single.yaml"
GATEWAY = "svc-server"


@dataclass(frozen=True)
class Ground:
    """Keys and releases: 1.0 and 1.1 for every hardware, 2.0 for the first hardware type alone."""

    folder: Path

    def release(self, version: str) -> Path:
        return self.folder / "releases" / version / "out"

    def make(self) -> Ground:
        operator = Operator(self.folder, 1, self.folder / "no-token")
        operator.run(
            "keys", "init", str(operator.keys), "--component", "app", "--component", "model", "--component", "agent"
        )
        for version, counter, hw in (("1.0", 100, HARDWARE), ("1.1", 101, HARDWARE), ("2.0", 200, HARDWARE[:1])):
            folder = self.folder / "releases" / version
            write_camera_tree(folder / "tree", version, Faults())
            write_recipe(folder / "release.toml", SOAK_S)
            operator.build(folder / "tree", folder / "release.toml", self.release(version), version, counter, hw)
            operator.sign(self.release(version))
        return self


class World:
    """Server, operator and a few enrolled nodes on 1.0; `close` ends every process."""

    def __init__(
        self, ground: Ground, folder: Path, devices: int = 1, settings: Mapping[str, float] | None = None
    ) -> None:
        ports = Ports.free()
        self.ground, self.folder = ground, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.operator = Operator(ground.folder, ports.api, folder / "server" / "secrets" / "operator.token")
        self.server = Server(folder, self.operator.keys, ports)
        self.fleet = Fleet(folder / "devices", devices, {**SETTINGS, **(settings or {})})
        self.extra: list[Node] = []

    @property
    def node(self) -> Node:
        return next(iter(self.fleet))

    def open(self) -> World:
        self.server.start()
        token = self.operator.enrolment_token(len(self.fleet))
        bootstrap = self.operator.keys / "bootstrap"
        self.fleet.enrol(self.server.device_url, bootstrap, token, self.ground.release("1.0"), lambda _: None)
        for version in ("1.0", "1.1"):
            self.operator.publish(self.ground.release(version))
        self.fleet.start()
        self.wait(lambda: self.all_run("1.0"), "every device on 1.0")
        return self

    def close(self) -> None:
        for node in self.extra:
            node.stop()
        self.fleet.stop()
        self.server.stop()

    def update(self, version: str = "1.1", cohort: str = "all", policy: Path = ONE) -> str:
        """Start a rollout and return its id."""
        return self.operator.start_rollout(version, cohort, policy)

    def rollout(self, rollout: str) -> SeenRollout:
        return self.server.api.rollout(rollout)

    def last(self, device: str) -> SeenAssignment | None:
        assignments = self.server.api.assignments(device)
        return assignments[-1] if assignments else None

    def state(self, device: str) -> str:
        """State, or outcome once there is one, of the device's newest assignment."""
        last = self.last(device)
        return "none" if last is None else last.outcome or last.state

    def look(self) -> DeviceOnDisk:
        return self.node.look()

    def all_run(self, version: str) -> bool:
        devices = self.server.api.devices().values()
        return len(devices) == len(self.fleet) and all(
            d.online and d.version == version and d.state == "idle" for d in devices
        )

    def wait(self, true: Callable[[], object], what: str, limit_s: float = 180.0) -> None:
        """Ask again and again; an unreachable server counts as a no."""
        until_s = time.monotonic() + limit_s
        while True:
            try:
                if true():
                    return
            except SurefootError:
                pass  # the server is down at this moment: that is what some of these days are about
            assert time.monotonic() < until_s, f"waited in vain for {what}; {self._facts()}"
            time.sleep(0.1)

    def _facts(self) -> str:
        try:
            return "; ".join(f"{d}: {self.last(d)}" for d in self.fleet.nodes)
        except SurefootError as error:
            return str(error)

    def say_as_server(self, topic: str, payload: bytes) -> None:
        """Publish, retained, with a certificate of the server's own name: what a broken-into server could do."""
        authority = load_ca(self.operator.keys / "online")
        key = generate_key()
        folder = self.folder / "harness"
        folder.mkdir(exist_ok=True)
        (folder / "key").write_bytes(key_to_pem(key))
        (folder / "crt").write_bytes(authority.issue_service(GATEWAY, key.public_key()))
        (folder / "ca").write_bytes(authority.pem)
        _publish(self, topic, payload, folder)

    def held_for(self, device: str) -> bytes:
        """Read the retained bundle of a device with the device's own certificate; its agent must not run."""
        identity = load_identity(self.fleet.nodes[device].spec.state_dir)
        topic, found = f"surefoot/v1/d/{device}/down/bundle", list[bytes]()
        arrived = threading.Event()
        client = _client(device, identity.mqtt_protocol, identity.ca_file, identity.cert_file, identity.key_file)

        def take(_client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
            if message.topic == topic:  # the session may hold more for the device: halt lists, leases
                found.append(message.payload)
                arrived.set()

        client.on_message = take
        client.on_connect = lambda c, *_: c.subscribe(topic, 1)
        _connect(client, self.server.ports.mqtt)
        assert arrived.wait(10.0), "no bundle is retained"
        client.disconnect()
        client.loop_stop()
        return found[0]


def _publish(world: World, topic: str, payload: bytes, folder: Path) -> None:
    """It takes the gateway's session over for a moment, acknowledges nothing in it, and leaves it as it was."""
    protocol = load_identity(world.node.spec.state_dir).mqtt_protocol
    client = _client(GATEWAY, protocol, folder / "ca", folder / "crt", folder / "key", manual_ack=True)
    _connect(client, world.server.ports.mqtt)

    def published() -> bool:
        if not client.is_connected():  # the gateway took its session back before a word was said
            return False
        said = client.publish(topic, payload, qos=1, retain=True)
        try:
            said.wait_for_publish(5.0)
            return said.is_published()
        except RuntimeError:  # the session was taken back in the middle
            return False

    world.wait(published, "the server's name to be taken over")
    client.disconnect()
    client.loop_stop()


def _client(name: str, protocol: int, ca: Path, cert: Path, key: Path, *, manual_ack: bool = False) -> mqtt.Client:
    """MQTT 5 or, with the embedded broker, 3.1.1; the session of that name is kept as it is."""
    new = protocol == mqtt.MQTTv5
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion(protocol),
        clean_session=None if new else False,
        manual_ack=manual_ack,
    )
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(str(cert), str(key))
    client.tls_set_context(context)
    return client


def _connect(client: mqtt.Client, port: int) -> None:
    if client.protocol == mqtt.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 24 * 3600
        client.connect("localhost", port, clean_start=False, properties=properties)
    else:
        client.connect("localhost", port)
    client.loop_start()
