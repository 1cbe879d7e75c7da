"""Connections of many simulated devices to a real broker, driven by one loop in the caller's thread.

Promises: never a thread a device; each connection is TLS with the device's own certificate, as in the field; messages
at QoS 1 are acknowledged at once and handed to the device. Nothing moves unless `run` is called. Refuses to reconnect
by itself: who simulates decides when a device comes back.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_simulators.fleet import packets

READ_BYTES = 65536
KEEPALIVE_S = 300
CONNECTING = 50
"""Handshakes at a time: each costs both sides milliseconds, and a broker has a short queue of new connections."""

OnMessage = Callable[[str, str, bytes], None]
"""device, topic, payload"""


@dataclass
class Wire:
    """One device's connection."""

    name: str
    connection: ssl.SSLSocket
    out: bytearray = field(default_factory=bytearray)
    read: bytearray = field(default_factory=bytearray)
    mid: int = 0
    shaken: bool = False
    up: bool = False
    unacknowledged: int = 0
    closed: bool = False


class Swarm:
    """`context_of` gives the TLS context of a device; `on_message` is called within `run`."""

    def __init__(
        self, host: str, port: int, context_of: Callable[[str], ssl.SSLContext], on_message: OnMessage | None = None
    ) -> None:
        self._address, self._context_of = (host, port), context_of
        self._on_message = on_message or (lambda *_: None)
        self._selector = selectors.DefaultSelector()
        self.wires: dict[str, Wire] = {}

    def connect(
        self,
        names: Iterable[str],
        topics_of: Callable[[str], tuple[str, ...]] = lambda _: (),
        will_of: Callable[[str], packets.Will | None] = lambda _: None,
        limit_s: float = 120.0,
    ) -> None:
        """Connect and subscribe these devices; raises TimeoutError where not all of them get through."""
        waiting, busy, until_s = list(names), set[str](), time.monotonic() + limit_s
        while waiting or busy:
            while waiting and len(busy) < CONNECTING:
                name = waiting.pop(0)
                self._open(name, topics_of(name), will_of(name))
                busy.add(name)
            self.step(0.5)
            busy = {name for name in busy if not (name in self.wires and self.wires[name].up)}
            if time.monotonic() > until_s:
                raise TimeoutError(f"{len(waiting) + len(busy)} devices did not connect within {limit_s:.0f} s")

    def publish(self, name: str, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Queue a message; it leaves within `run`."""
        wire = self.wires[name]
        if qos:
            wire.mid = wire.mid % 65535 + 1
            wire.unacknowledged += 1
        wire.out += packets.publish(topic, payload, wire.mid if qos else 0, retain=retain)
        self._watch(wire)

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Move bytes until it is so; False at the limit."""
        end_s = time.monotonic() + limit_s
        while not until():
            if time.monotonic() > end_s:
                return False
            self.step(0.05)
        return True

    def settled(self) -> bool:
        """Whether the broker acknowledged everything that was published."""
        return not any(wire.unacknowledged or wire.out for wire in self.wires.values())

    def step(self, wait_s: float) -> None:
        for key, events in self._selector.select(wait_s):
            wire: Wire = key.data
            try:
                self._move(wire, events)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                continue
            except OSError:
                self.drop(wire.name)

    def drop(self, name: str) -> None:
        """End a connection without a goodbye, as a pulled cable does."""
        wire = self.wires.pop(name, None)
        if wire is not None and not wire.closed:
            wire.closed = True
            self._selector.unregister(wire.connection)
            wire.connection.close()

    def close(self) -> None:
        for name in list(self.wires):
            self.drop(name)
        self._selector.close()

    def _open(self, name: str, topics: tuple[str, ...], will: packets.Will | None) -> None:
        plain = socket.create_connection(self._address, timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setblocking(False)
        context = self._context_of(name)
        connection = context.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
        wire = Wire(name, connection)
        wire.out += packets.connect(name, KEEPALIVE_S, will)
        if topics:
            wire.out += packets.subscribe(1, *topics)
        wire.mid = 1
        self.wires[name] = wire
        self._selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, wire)

    def _move(self, wire: Wire, events: int) -> None:
        if not wire.shaken:
            wire.connection.do_handshake()
            wire.shaken = True
        if events & selectors.EVENT_READ:
            self._read(wire)
        if wire.out and not wire.closed:
            del wire.out[: wire.connection.send(wire.out)]
        if not wire.closed:
            self._watch(wire)

    def _read(self, wire: Wire) -> None:
        try:
            while True:
                piece = wire.connection.recv(READ_BYTES)
                if not piece:
                    raise ConnectionError("the broker closed the connection")
                wire.read += piece
                if not wire.connection.pending():
                    break
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        for first, body in packets.split(wire.read):
            self._take(wire, first, body)

    def _take(self, wire: Wire, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == packets.PUBLISH:
            topic, payload, mid = packets.published(first, body)
            if mid:
                wire.out += packets.puback(mid)
            self._on_message(wire.name, topic, payload)
        elif kind == packets.PUBACK:
            wire.unacknowledged -= 1
        elif kind == packets.CONNACK:
            if body[1]:
                raise ConnectionError(f"the broker refused {wire.name}: {body[1]}")
            wire.up = True

    def _watch(self, wire: Wire) -> None:
        wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if wire.out or not wire.shaken else 0)
        if self._selector.get_key(wire.connection).events != wants:
            self._selector.modify(wire.connection, wants, wire)


class Identities:
    """Certificates for simulated devices from one CA, all on one key: making keys would take most of the time."""

    def __init__(self, folder: Path, ca_file: Path, key_pem: bytes, certificate_of: Callable[[str], bytes]) -> None:
        self._folder, self._ca_file, self._certificate_of = folder, ca_file, certificate_of
        folder.mkdir(parents=True, exist_ok=True)
        self._key = folder / "device.key"
        self._key.write_bytes(key_pem)
        self._key.chmod(0o600)
        self._context: ssl.SSLContext | None = None

    def certificate(self, name: str) -> Path:
        """The device's certificate, made where it has none."""
        certificate = self._folder / f"{name}.crt"
        if not certificate.exists():
            certificate.write_bytes(self._certificate_of(name))
        return certificate

    def context(self, name: str) -> ssl.SSLContext:
        """The context for this device's next connection. One serves all of them, a connection keeps the certificate
        with which it was opened: a context each would take most of the memory of a large fleet.
        """
        if self._context is None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.load_verify_locations(self._ca_file)
        self._context.load_cert_chain(self.certificate(name), self._key)
        return self._context
