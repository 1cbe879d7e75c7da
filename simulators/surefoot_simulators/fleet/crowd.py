"""A real server process and hundreds of simulated devices on its real broker, for scenarios and measurements.

Promises: server, broker, releases and the operator's commands are the real ones; devices are enrolled by their rows, as
if they had been for long, and speak from then on over TLS with certificates of the fleet's own authority. One thread
drives all of them: time passes for devices within `pump` only. `stop` leaves nothing running.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import col

from surefoot_agent.enrol import certificate_request
from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.devices.models import Device
from surefoot_server.pki.ca import load_ca
from surefoot_shared.errors import Conflict, Unreachable
from surefoot_shared.identity import generate_key, key_to_pem, public_to_pem
from surefoot_shared.wire import Json
from surefoot_simulators.camera.tree import write_camera_tree, write_recipe
from surefoot_simulators.demo.server import Operator, Ports, Server
from surefoot_simulators.fleet.devices import Fate, SimDevice, SimFleet
from surefoot_simulators.fleet.swarm import Identities, Swarm

HARDWARE = "x86-box"
STEP_S = 0.2
"""Between two states of an attempt: agents of a real fleet take longer, and a scenario has little time."""
LOOK_S, LOOK_SHARE = 0.25, 10.0
"""Between two looks; one that takes long, of the server as of this process, is not what the time goes into."""
METRICS_S = 2.0
FIRST = "app/1.0"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Json


class Crowd:
    """`fate_of(device, release)` says what becomes of a release; it may be changed at any time."""

    def __init__(self, folder: Path, count: int, versions: Mapping[str, int]) -> None:
        self.folder, self._versions = folder, versions
        ports = Ports.free()
        self.operator = Operator(folder, ports.api, folder / "server" / "secrets" / "operator.token")
        self.server = Server(folder, self.operator.keys, ports)
        self.fate_of: Callable[[str, str], Fate] = lambda _device, _release: Fate.COMMITS
        self.on_turn: Callable[[], None] = lambda: None
        """Called at every turn of the loop: where faults come from."""
        self._names = [f"sim-{n:04}" for n in range(count)]
        self._key = generate_key()
        self.swarm: Swarm
        self.fleet: SimFleet
        self.identities: Identities
        self.heartbeat_s = METRICS_S
        self._stepped_s = self._measured_s = 0.0
        self._next = 0

    def start(self) -> None:
        self.prepare()
        self.join()

    def prepare(self) -> None:
        """Everything but the devices' connections: a server with releases, a fleet that is enrolled."""
        self.operator.run("keys", "init", str(self.operator.keys))
        for version, counter in self._versions.items():
            self._build(version, counter)
        self.server.start()
        for version in self._versions:
            self.operator.publish(self._out(version))
        self.operator.cohort("everybody", "all")
        self._enrol()
        self._identify()

    def join(self) -> None:
        """Everybody connects and says hello; returns once the broker has all of it."""
        self.fleet.connect()
        self.pump(self.swarm.settled, 120, "everybody's hello to be taken", steps=False)

    def stop(self) -> None:
        if "swarm" in vars(self):  # else the server did not come up, and nobody connected
            self.swarm.close()
        self.server.stop()

    def pump(self, until: Callable[[], bool], limit_s: float, what: str, *, steps: bool = True) -> None:
        """Let time pass for devices until it is so; raises Unreachable at the limit."""
        looked_s, end_s = 0.0, time.monotonic() + limit_s
        while True:
            now_s = time.monotonic()
            if now_s >= looked_s:
                if until():
                    return
                took_s = time.monotonic() - now_s
                looked_s = time.monotonic() + max(LOOK_S, LOOK_SHARE * took_s)
            if now_s > end_s:
                raise Unreachable("unreachable", f"Waited {limit_s:.0f} s for {what}.")
            if steps and now_s - self._stepped_s >= STEP_S:
                self._stepped_s = now_s
                self.fleet.step()
            self._measure(now_s)
            self.on_turn()
            self.swarm.step(0.02)

    def _measure(self, now_s: float) -> None:
        """Heartbeats of those whose time it is: each once in `heartbeat_s`, evenly over it."""
        since_s = min(now_s - self._measured_s, self.heartbeat_s)
        share = int(len(self._names) * since_s / self.heartbeat_s)
        if share:
            self._measured_s = now_s
            names = [self._names[(self._next + i) % len(self._names)] for i in range(share)]
            self._next = (self._next + share) % len(self._names)
            self.fleet.measure(lambda _device: {"camera_fps": 25.0, "memory_bytes": 1e8}, names)

    def come_back(self) -> None:
        """The broker was away: everybody connects again, and says hello."""
        for name in list(self.swarm.wires):
            self.swarm.drop(name)
        self.fleet.connect()

    def ask(self, method: str, path: str, body: Json = None, token: str = "") -> Answer:
        """One request to the operators' API, devices standing still meanwhile; raises Unreachable."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ports.api, timeout=60)
        token = token or self.server.token_file.read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            raw = answer.read()
        except OSError as error:
            raise Unreachable("unreachable", f"{method} {path} was not answered.") from error
        finally:
            connection.close()
        return Answer(answer.status, json.loads(raw) if raw else None)

    def act(self, rollout: str, verb: str, body: Json = None, token: str = "") -> None:
        """Do something to a rollout; raises Conflict with the server's words where it refuses."""
        answer = self.ask(
            "POST", f"/rollouts/{rollout}/{verb}", body if body is not None else {"reason": "scenario"}, token
        )
        if answer.status >= 300:
            raise Conflict("conflict", f"{verb} was refused: {json.dumps(answer.body)[:300]}")

    def state(self, rollout: str) -> str:
        """The rollout's state; "" while the server does not answer."""
        try:
            body = self.ask("GET", f"/rollouts/{rollout}").body
        except Unreachable:
            return ""
        return str(body["state"]) if isinstance(body, dict) and "state" in body else ""

    def online(self) -> int:
        """Devices whose hello the server has stored, and that it takes for connected; read from its database."""
        database = Database(f"sqlite:///{self.server.data / 'surefoot.db'}")
        try:
            with database.read() as session:
                seen = sa.select(sa.func.count()).select_from(Device)
                seen = seen.where(col(Device.online).is_(True), col(Device.hello_at).is_not(None))
                return session.connection().scalar(seen) or 0
        finally:
            database.dispose()

    def person(self, name: str, role: str) -> str:
        """A new user with this role over the fleet; returns a token whose acts are the user's."""
        owner = f"{name}@crowd"
        self._made("/users", {"name": owner, "grants": [{"role": role}]})
        return str(self._made("/tokens", {"name": name, "role": role, "owner": owner})["token"])

    def _made(self, path: str, wish: Json) -> dict[str, Json]:
        answer = self.ask("POST", path, wish)
        if answer.status != 201 or not isinstance(answer.body, dict):
            raise Conflict("conflict", f"{path} was refused: {json.dumps(answer.body)[:300]}")
        return answer.body

    def halt_took_s(self, rollout: str, limit_s: float = 30.0) -> float:
        """Halt a rollout; seconds from the operator's request to the last device that got the list."""
        before = {device.name: device.halts for device in self.fleet.devices.values()}
        began_s = time.monotonic()
        errors: list[Exception] = []

        def halt() -> None:
            try:
                self.act(rollout, "halt", {"committed": "keep", "reason": "scenario"})
            except Exception as error:
                errors.append(error)

        acting = threading.Thread(target=halt)
        acting.start()
        devices = self.fleet.devices.values()
        self.pump(lambda: bool(errors) or all(d.halts > before[d.name] for d in devices), limit_s, "the halt to arrive")
        acting.join()
        if errors:
            raise errors[0]
        return max(device.halted_at_s or 0.0 for device in devices) - began_s

    def digest(self, version: str) -> str:
        body = self.ask("GET", f"/releases/app/{version}").body
        assert isinstance(body, dict)
        return str(body["digest"])

    def _enrol(self) -> None:
        database = Database(f"sqlite:///{self.server.data / 'surefoot.db'}")
        pem, now = public_to_pem(self._key.public_key()).decode(), db.utc_now()
        with database.write() as session:
            for n, name in enumerate(self._names):
                facts = {"site": f"site-{n % 20}"}
                session.add(Device(id=name, hw=HARDWARE, public_key=pem, enrolled_at=now, attributes=facts))
        database.dispose()

    def _identify(self) -> None:
        ca, data = load_ca(self.operator.keys / "online"), self.server.data
        identities = Identities(
            self.folder / "identities",
            data / "pki" / "ca.pem",
            key_to_pem(self._key),
            lambda name: ca.issue_device(certificate_request(name, self._key), name),
        )
        for name in self._names:
            identities.certificate(name)
        self.identities = identities
        self.swarm = Swarm(
            "127.0.0.1", self.server.ports.mqtt, identities.context, lambda *said: self.fleet.hear(*said)
        )
        digest = self.digest(FIRST.partition("/")[2])
        devices = [SimDevice(name, self._key, FIRST, digest, HARDWARE) for name in self._names]
        self.fleet = SimFleet(self.swarm, devices, lambda device, release: self.fate_of(device, release))

    def _build(self, version: str, counter: int) -> None:
        folder = self.folder / "releases" / version
        write_camera_tree(folder / "tree", version)
        write_recipe(folder / "release.toml", 1.0)
        self.operator.build(folder / "tree", folder / "release.toml", self._out(version), version, counter, [HARDWARE])
        self.operator.sign(self._out(version))

    def _out(self, version: str) -> Path:
        return self.folder / "releases" / version / "out"
