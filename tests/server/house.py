"""A CA, a real broker, a store and real links: the wire from end to end, without the rest of server and agent."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from surefoot_agent.downlink import AckArrived, Connected, LinkEvent
from surefoot_agent.identity import Identity
from surefoot_agent.link import Backoff, Link
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.gateway import Gateway, GatewayConfig
from surefoot_server.intake import DeadLetter, IntakeLimits
from surefoot_server.pki.ca import CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared import wire
from surefoot_shared.identity import DeviceKey, key_to_pem
from surefoot_shared.messages import Ack, Event, PresenceMessage
from surefoot_shared.status import Presence
from tests.server.broker.rig import request as csr
from tests.server.recorder import Recorder, event, events_payload

BROKERS = (("mosquitto", 5), ("mosquitto", 4), ("embedded", 4))
_numbers = itertools.count(1)
QUICK = Backoff(base_s=0.05, cap_s=0.2, conflict_s=0.2)
WAIT_S = 20.0


class House:
    """A CA, a broker, a store; gateways and links as a test needs them; everything is stopped at the end."""

    def __init__(self, folder: Path, which: str, protocol: int, parts: contextlib.ExitStack) -> None:
        self.folder, self.which, self.protocol, self._parts = folder, which, protocol, parts
        self.ca: CertificateAuthority = create_ca(folder / "ca")
        self.pki: PkiFiles = prepare_pki(folder / "pki", self.ca, ["127.0.0.1"])
        self.broker: RunningBroker = start_broker(folder, "127.0.0.1", 0, self.pki, prefer=which)
        self.book = Recorder()
        self.letters: queue.Queue[DeadLetter] = queue.Queue()
        parts.callback(self.broker.stop)

    def gateway_config(self, limits: IntakeLimits | None = None, keepalive_s: int = 30) -> GatewayConfig:
        return GatewayConfig(
            host=self.broker.host,
            port=self.broker.port,
            protocol=self.protocol,
            ca=self.pki.ca,
            cert=self.pki.service_cert,
            key=self.pki.service_key,
            limits=limits or IntakeLimits(batch_s=0.02),
            keepalive_s=keepalive_s,
            reconnect_base_s=0.05,
            reconnect_cap_s=0.3,
        )

    def gateway(self, limits: IntakeLimits | None = None, keepalive_s: int = 30) -> Gateway:
        return self.runs(Gateway(self.gateway_config(limits, keepalive_s), self.book, self.letters.put))

    def runs(self, made: Gateway) -> Gateway:
        made.start()
        self._parts.callback(made.stop)
        assert made.wait_connected(WAIT_S)
        return made

    def device(self, name: str) -> Device:
        """A device that is connected."""
        made = Device(name, *self.identity(name))
        self.run(made)
        made.wait(Connected)
        return made

    def run(self, device: Device) -> None:
        device.link.start()
        self._parts.callback(device.link.stop)

    def identity(self, name: str, ca: CertificateAuthority | None = None) -> tuple[DeviceKey, Identity]:
        """A certified key; by another CA where one is given."""
        key = self.book.enrol(name)
        files = self.folder / f"{name}-{next(_numbers)}"
        files.mkdir()
        (files / "key").write_bytes(key_to_pem(key))
        (files / "crt").write_bytes((ca or self.ca).issue_device(csr(name, key), name))
        return key, Identity(
            device=name,
            hw="x86-box",
            server_url="https://127.0.0.1",
            mqtt_host=self.broker.host,
            mqtt_port=self.broker.port,
            mqtt_protocol=self.protocol,
            key_file=files / "key",
            cert_file=files / "crt",
            ca_file=self.pki.ca,
        )

    def acknowledges(self, gateway: Gateway) -> None:
        """Tell a device after each commit up to where its events are whole."""

        def tell(values: list[object]) -> None:
            for name in {e.device for e in values if isinstance(e, Event)}:
                stored = set(self.book.seqs(name))
                gateway.publish_ack(name, Ack("stream-1", max(n for n in stored if set(range(1, n)) <= stored), 0))

        self.book.on_commit = tell

    def forget_what_the_broker_saved(self) -> None:
        (self.folder / "broker" / "mosquitto.db").unlink(missing_ok=True)

    def kill_broker(self) -> None:
        before = self.broker.child.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)


class Device:
    """A link with an outbox: it sends again what is not acknowledged, whenever it is connected."""

    def __init__(self, name: str, key: DeviceKey, identity: Identity, backoff: Backoff = QUICK) -> None:
        self.name, self.key = name, key
        self.events: list[LinkEvent] = []
        self.outbox: dict[int, Event] = {}
        self._changed = threading.Condition()
        self.link = Link(identity, self._take, wire.encode(PresenceMessage(Presence.ONLINE, "instance-1")), backoff)

    def report(self, *seqs: int) -> None:
        with self._changed:
            self.outbox.update({seq: event(self.name, seq) for seq in seqs})
        self._send(list(seqs))

    def deliver(self) -> None:
        """Send again after each silence, as the agent's outbox does, until everything is acknowledged."""
        for _ in range(300):
            with self._changed:
                if self._changed.wait_for(lambda: not self.outbox, 0.2):
                    return
                again = list(self.outbox)
            self._send(again)
        raise AssertionError(f"not acknowledged: {sorted(self.outbox)}")

    def wait(self, kind: type[LinkEvent], count: int = 1) -> LinkEvent:
        self.wait_until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), self.events

    def of(self, kind: type[LinkEvent]) -> list[LinkEvent]:
        return [e for e in self.events if isinstance(e, kind)]

    def cut(self) -> None:
        """Break the connection without a goodbye, as a pulled cable does."""
        client = self.link._client
        assert client is not None
        broken = client.socket()
        assert broken is not None
        broken.shutdown(socket.SHUT_RDWR)

    def _take(self, arrived: LinkEvent) -> None:
        with self._changed:
            self.events.append(arrived)
            if isinstance(arrived, AckArrived):
                self.outbox = {s: e for s, e in self.outbox.items() if s > arrived.ack.event}
            again = list(self.outbox) if isinstance(arrived, Connected) else []
            self._changed.notify_all()
        self._send(again)

    def _send(self, seqs: list[int]) -> None:
        for seq in seqs:
            self.link.publish("events", events_payload(self.key, event(self.name, seq)))


class Between:
    """Passes on what one client and the broker say, until `reset` breaks the client off as a dead router does."""

    def __init__(self, port: int) -> None:
        self._to, self._doors = port, socket.create_server(("127.0.0.1", 0))
        self.port = self._doors.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._welcome, daemon=True).start()

    def reset(self) -> None:
        """An RST to the client; who comes next is let through."""
        self._ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in self._ends[:2]:
            end.shutdown(socket.SHUT_RD)  # wakes the thread that waits for it: a close under it would not be one
        self._ends[0].close()
        self._ends[1].close()

    def close(self) -> None:
        self._doors.close()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._doors.accept()
                broker = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [client, broker]
                for a, b in ((client, broker), (broker, client)):
                    threading.Thread(target=_pass_on, args=(a, b), daemon=True).start()


def _pass_on(a: socket.socket, b: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := a.recv(65536):
            b.sendall(piece)


def until(condition: Callable[[], bool]) -> None:
    """For what only a counter shows: looks until it is so."""
    over = threading.Event()
    for _ in range(400):
        if condition():
            return
        over.wait(0.05)
    raise AssertionError("it did not come to be so within 20 s")
