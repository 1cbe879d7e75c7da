"""A real mosquitto between the devices and the server of a world, in step: every message passes it before time goes on.

Promises: the server's own configuration, access rights and certificate authority; TLS with a certificate a device; ids
of clients, wills, sessions and subscriptions as agent and gateway make them. What is handed on is what was received,
byte for byte; what is retained, queued, said as a will and kept over a restart is mosquitto's doing. Raises
SurefootError where something does not arrive within seconds. Left out: agent's and gateway's own clients, which wait
for real time.
"""

from __future__ import annotations

import functools
import shutil
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from surefoot_agent.enrol import certificate_request
from surefoot_server.broker import mosquitto
from surefoot_server.broker.child import Child
from surefoot_server.broker.start import start_broker
from surefoot_server.gateway import UPLINK, GatewayConfig
from surefoot_server.inbound import Telegram
from surefoot_server.pki.ca import CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared import topics
from surefoot_shared.errors import ConfigError
from surefoot_shared.identity import generate_key, key_to_pem
from surefoot_simulators.fleet import packets
from surefoot_simulators.fleet.swarm import Identities
from surefoot_simulators.world.exchange import Delivered, hears, order
from surefoot_simulators.world.scratch import scratch_folder
from surefoot_simulators.world.wire_client import Client, Clients, failed

HOST = "127.0.0.1"
_OPEN: set[WireExchange] = set()


class WireExchange:
    """Begun by `start`, ended for good by `close`, which removes its folder. Raises ConfigError without mosquitto."""

    def __init__(self) -> None:
        if mosquitto.program() is None:
            hint = "Install it (Debian and Ubuntu: apt install mosquitto), or play without --wire."
            raise ConfigError("config_invalid", "Messages pass a real broker, and there is no mosquitto here.", hint)
        self._folder = scratch_folder()
        self._child: Child | None = None
        self._clients: Clients | None = None
        self._server: Client | None = None
        self._server_here = True
        self._owed = 0
        """Messages that the broker holds for the server, come or not."""
        self._pending: list[Telegram] = []
        """What came of them."""
        self._devices: dict[str, Client] = {}
        self._subscribed: set[str] = set()
        _OPEN.add(self)

    # --- devices ------------------------------------------------------------------------------------------------------

    def connect(self, device: str, will: bytes) -> None:
        taken_over = self._devices.pop(device, None) is not None
        self._subscribed.discard(device)
        last = packets.Will(topics.up(device, "presence"), will)
        self._devices[device] = self._net.connect(device, _identities().context(device), will=last)
        self._await(int(taken_over))

    def subscribe(self, device: str) -> Sequence[Delivered]:
        client = self._devices[device]
        self._net.subscribe(client, *topics.heard_by(device))
        self._subscribed.add(device)
        came = [Delivered(device, telegram.topic, telegram.payload) for _, telegram in client.came]
        client.came.clear()
        return sorted(came, key=lambda each: order(each.topic))

    def say(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        self._net.publish(self._devices[device], topic, payload, retain=retain)
        self._await(1)

    def break_off(self, device: str) -> None:
        del self._devices[device]
        self._subscribed.discard(device)
        self._net.drop(device)
        self._await(1)

    # --- the server ---------------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, retain: bool) -> Sequence[Delivered]:
        borrowed = self._server is None
        if borrowed:  # somebody who stole the server's keys speaks in its place
            self._join(subscribes=False)
        assert self._server is not None
        self._net.publish(self._server, topic, payload, qos=0 if topic.endswith("/ack") else 1, retain=retain)
        if borrowed:
            self._leave()
        return [self._received(name, topic) for name in sorted(self._subscribed) if hears(name, topic)]

    def heard(self) -> Sequence[Telegram]:
        return self._pending

    def acknowledge(self, count: int) -> None:
        if not count:
            return
        assert self._server is not None
        for telegram in self._pending[:count]:
            self._net.acknowledge(self._server, telegram)
        del self._pending[:count]
        self._owed -= count
        self._net.fence(self._server)
        self._await(0)

    def server(self, here: bool) -> None:
        self._server_here = here
        if self._server is not None:
            self._leave()
        if here and self._child is not None:
            self._join(subscribes=True)

    # --- the broker itself --------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self._clients is None:
            running = start_broker(self._folder, HOST, 0, _authority()[1], prefer="mosquitto")
            pki, self._child = _authority()[1], running.child
            keys = (pki.ca, pki.service_cert, pki.service_key)
            self._gateway = GatewayConfig(running.host, running.port, running.protocol, *keys)
        else:
            conf = mosquitto.MosquittoFiles(self._folder / "broker").conf
            argv = [mosquitto.program() or "mosquitto", "-c", str(conf)]
            self._child = Child("mosquitto", argv, conf, self._address, mosquitto.EXPECTED)  # same port and files
            self._child.start()
        self._clients = Clients(self._address)
        if self._server_here:
            self._join(subscribes=True)

    def stop(self) -> None:
        if self._child is None:
            return
        if self._server is not None:
            self._net.fence(self._server)
            self._leave()
        self._owed += len(self._devices)  # their wills, which the broker says as it ends
        self._child.stop()
        self._child = None
        self._net.close()
        self._devices.clear()
        self._subscribed.clear()

    def close(self) -> None:
        _OPEN.discard(self)
        if self._child is not None:
            self._child.stop()
            self._child = None
            self._net.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _address(self) -> tuple[str, int]:
        return self._gateway.host, self._gateway.port

    @property
    def _net(self) -> Clients:
        assert self._clients is not None
        return self._clients

    def _join(self, subscribes: bool) -> None:
        """The server connects: the broker sends again what it holds, and upon the subscription what is retained."""
        gateway = self._gateway
        self._server = self._net.connect(
            gateway.client_id, _service_context(), gateway.session_s, gateway.limits.queue, acknowledges=False
        )
        if subscribes:
            self._net.subscribe(self._server, UPLINK)
            self._await(0)
            kept = [telegram for retained, telegram in self._server.came if retained]
            self._server.came.clear()
            self._owed += len(kept)
            self._pending += sorted(kept, key=lambda telegram: telegram.topic)

    def _leave(self) -> None:
        """Its process ends: nothing that it had not acknowledged is gone."""
        self._net.drop(self._gateway.client_id)
        self._server, self._pending = None, []

    def _await(self, more: int) -> None:
        """The broker now holds so many more for the server; take what may come."""
        self._owed += more
        server = self._server
        if server is None:
            return
        due = min(self._owed, self._gateway.limits.queue)

        def there() -> bool:
            came = [telegram for retained, telegram in server.came if not retained]
            if came:
                self._pending += came
                kept = [each for each in server.came if each[0]]
                server.came.clear()
                server.came.extend(kept)
            return len(self._pending) >= due

        self._net.wait(there, lambda: f"{due}th message for the server, which has {len(self._pending)}")
        if len(self._pending) > self._owed:
            raise failed(f"it sent the server what nobody said: {self._pending[-1].topic}")

    def _received(self, device: str, topic: str) -> Delivered:
        client = self._devices[device]
        self._net.wait(lambda: bool(client.came), lambda: f"a message for {device}")
        _, telegram = client.came.popleft()
        if telegram.topic != topic:
            raise failed(f"it sent {device} what nobody said: {telegram.topic}")
        return Delivered(device, telegram.topic, telegram.payload)


def close_all() -> None:
    """For a process that ends at once: leave no broker behind."""
    for exchange in list(_OPEN):
        exchange.close()


@functools.cache
def _authority() -> tuple[CertificateAuthority, PkiFiles]:
    """Made once a process: worlds share it."""
    folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
    ca = create_ca(folder / "ca")
    return ca, prepare_pki(folder / "pki", ca, [HOST])


@functools.cache
def _identities() -> Identities:
    (ca, pki), key = _authority(), generate_key()
    issue = lambda name: ca.issue_device(certificate_request(name, key), name)  # noqa: E731
    return Identities(scratch_folder() / "certificates", pki.ca, key_to_pem(key), issue)


@functools.cache
def _service_context() -> ssl.SSLContext:
    pki = _authority()[1]
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(pki.service_cert, pki.service_key)
    return context
