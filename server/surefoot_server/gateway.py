"""The MQTT side of the server: hands what devices say to the intake, and tells them what is wanted. The only paho here.

Promises: a message is acknowledged to the broker only when the intake says that it is stored for good; the broker is
asked to wait rather than to lose (MQTT 5 receive-maximum is the queue's bound); publishing is thread-safe, and what is
published while the broker is away goes out after it returned, the newest per topic.
Refuses to decide anything: correctness rests on hello and its answer, so a lost message costs time only.

One thread drives paho by its own loop calls: it reads and writes in large pieces (`buffered`), and hands messages over
by the hundred. Three packets are read or made here, not by paho, because they are nearly all: a device's message, its
acknowledgement to the broker, and the acknowledgement of what is stored to the device.
"""

from __future__ import annotations

import logging
import random
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from surefoot_server.buffered import BufferedSocket
from surefoot_server.inbound import GatewayHandlers, Telegram
from surefoot_server.intake import Intake, IntakeLimits, IntakeStats, OnDeadLetter
from surefoot_server.packets import puback_packet, publish_packet, read_packet
from surefoot_server.telemetry.fast_wire import write_ack
from surefoot_shared import topics, wire
from surefoot_shared.messages import Ack, Lease, Request, TrustHint

log = logging.getLogger(__name__)

CHUNK_WAIT_S = 10.0
"""A broker that takes no chunk within this time is away; devices ask again."""
UPLINK = f"{topics.PREFIX}/d/+/up/#"
WAIT_S = 0.2
"""Longest sleep of the loop; it is woken for everything but the keepalive."""
MISC_S = 1.0
BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL
"""What a poll tells without being asked."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Where the broker is and how fast devices may talk. `protocol` is 5, or 4 for MQTT 3.1.1."""

    host: str
    port: int
    protocol: int
    ca: Path
    cert: Path
    key: Path
    client_id: str = f"{topics.SERVICE_PREFIX}server"
    keepalive_s: int = 30
    limits: IntakeLimits = field(default_factory=IntakeLimits)
    reconnect_base_s: float = 0.5
    reconnect_cap_s: float = 10.0
    session_s: int = 24 * 3600
    """How long the broker keeps messages for a server that is away."""


@dataclass(frozen=True, slots=True)
class GatewayStats:
    connected: bool
    intake: IntakeStats


class Gateway:
    """One client of the broker, one worker. `start` returns at once; `stop` finishes the batch at hand."""

    def __init__(
        self, config: GatewayConfig, handlers: GatewayHandlers, on_dead_letter: OnDeadLetter | None = None
    ) -> None:
        self._config = config
        self._intake = Intake(handlers, self._acknowledge, config.limits, on_dead_letter)
        self._waiting: dict[str, tuple[bytes, bool]] = {}
        self._fleet_wide: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._session = 0
        self._acks: deque[tuple[int, int]] = deque()
        """(session, message id) of what is stored; appended by the worker, sent by the loop."""
        self._said: deque[tuple[int, bytes]] = deque()
        """(session, packet) of acknowledgements to devices."""
        self._bell, self._ear = socket.socketpair()
        self._rung = False
        for end in (self._bell, self._ear):
            end.setblocking(False)
        self._stopping, self._down, self._up = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._stay_connected, name="gateway-connection", daemon=True)
        self._client = _make_client(config)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_register_write = lambda *_: self._wake()

    def start(self) -> None:
        self._intake.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand, leave the rest with the broker, disconnect."""
        self._intake.stop()
        self._stopping.set()
        self._client.disconnect()
        self._down.set()
        self._wake()
        self._thread.join(timeout=15)

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until subscriptions are in place; False at the timeout."""
        return self._up.wait(timeout_s)

    def stats(self) -> GatewayStats:
        return GatewayStats(self._up.is_set(), self._intake.stats())

    def publish_bundle(self, device_id: str, raw: bytes) -> None:
        self._publish(topics.down(device_id, "bundle"), raw, retain=True)

    def forget(self, device_id: str) -> None:
        """Take back what waits at the broker for a device that is one no more."""
        with self._lock:
            for what in topics.DOWN:
                self._waiting.pop(topics.down(device_id, what), None)
        self._publish(topics.down(device_id, "bundle"), b"", retain=True)

    def publish_lease(self, device_id: str, lease: Lease) -> None:
        self._publish(topics.down(device_id, "lease"), wire.encode(lease))

    def publish_chunk(self, topic: str, payload: bytes) -> bool:
        """Give a chunk of a blob to the broker; True once it has taken it, which paces whoever sends many."""
        if not self._up.is_set():
            return False
        try:
            sent = self._client.publish(topic, payload, qos=1)
            sent.wait_for_publish(CHUNK_WAIT_S)
        except (RuntimeError, ValueError):  # the connection went meanwhile, or its queue is full
            return False
        return sent.is_published()

    def publish_ack(self, device_id: str, ack: Ack) -> None:
        """Said at most once: what is lost with a connection is said again in answer to the next hello."""
        with self._lock:
            session = self._session if self._up.is_set() else 0
        topic, payload = topics.down(device_id, "ack"), write_ack(ack)
        if session:
            self._said.append((session, publish_packet(topic, payload, self._config.protocol)))
            self._wake()
        else:
            self._publish(topic, payload)

    def request(self, device_id: str, request: Request) -> None:
        self._publish(topics.down(device_id, "request"), wire.encode(request))

    def publish_halt(self, raw: bytes) -> None:
        self._publish_fleet_wide(topics.FLEET_HALT, raw)

    def publish_trust(self, hint: TrustHint) -> None:
        self._publish_fleet_wide(topics.FLEET_TRUST, wire.encode(hint))

    def _publish_fleet_wide(self, topic: str, payload: bytes) -> None:
        with self._lock:
            self._fleet_wide[topic] = payload
        self._publish(topic, payload, retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        with self._lock:
            if not self._up.is_set():
                self._waiting[topic] = (payload, retain)
                return
        self._client.publish(topic, payload, qos=1, retain=retain)

    def _stay_connected(self) -> None:
        failures = 0
        while True:
            self._down.clear()
            if self._stopping.is_set():  # looked at after the clear: stop() sets this first, then _down
                return
            if not self._intake.room():  # what would be read has no place, the broker's first word neither
                self._stopping.wait(WAIT_S)
                continue
            was_up = self._connect_once()
            failures = 0 if was_up else failures + 1
            ceiling_s = min(self._config.reconnect_cap_s, self._config.reconnect_base_s * 2 ** min(failures, 10))
            self._stopping.wait(random.uniform(0, ceiling_s))  # noqa: S311 - full jitter, not a secret

    def _connect_once(self) -> bool:
        """Connect and stay until the connection ends; True where it had come up."""
        config = self._config
        try:
            if config.protocol == 5:
                self._client.connect(
                    config.host, config.port, config.keepalive_s, clean_start=False, properties=_properties(config)
                )
            else:
                self._client.connect(config.host, config.port, config.keepalive_s)
        except (OSError, ValueError) as error:
            log.warning("broker_unreachable host=%s port=%d error=%s", config.host, config.port, error)
            return False
        try:
            self._loop()
        finally:
            was_up = self._up.is_set()
            with self._lock:
                self._up.clear()
        return was_up

    def _loop(self) -> None:
        """Move bytes until the connection ends."""
        misc_at = 0.0
        while (link := self._client.link()) is not None:
            poll = select.poll()
            hears = select.POLLIN if self._intake.room() else 0  # a full queue leaves the rest with the broker
            poll.register(link.fileno(), hears | (select.POLLOUT if link.unsent() else 0))
            poll.register(self._ear.fileno(), select.POLLIN)
            ready = dict(poll.poll(0 if hears and link.full() else WAIT_S * 1000))
            self._hush(self._ear.fileno() in ready)
            told = ready.get(link.fileno(), 0)
            if not hears and told & BROKEN:
                # No read will find it out, and to poll would tell it at once for ever. What came of it unacknowledged
                # comes again on the next connection, which waits for room.
                log.warning("broker_connection_broken error=%s", "broken off while the queue is full")
                self._client.give_up()
                return
            if hears and (link.full() or told & ~select.POLLOUT):
                self._read(link)
            self._write(link)
            if (now := time.monotonic()) >= misc_at:
                misc_at = now + MISC_S
                if not hears:
                    self._client.excuse()
                self._client.loop_misc()

    def _read(self, link: BufferedSocket) -> None:
        try:
            link.fill()
        except OSError as error:
            log.warning("broker_connection_broken error=%s", error)
            self._client.give_up()
            return
        came: list[Telegram] = []
        while self._client.link() is link:
            while (packet := link.published()) is not None:
                came.append(read_packet(*packet, self._config.protocol, self._session))
            if not link.for_others():
                break
            self._client.loop_read()
        if came:
            self._intake.offer(*came)

    def _write(self, link: BufferedSocket) -> None:
        # Before paho's own, a goodbye among it. Whole packets follow whole ones: the buffer takes all that it is given.
        while self._acks:
            session, mid = self._acks.popleft()
            # Message ids belong to their connection: an old one could acknowledge a different message on a new one.
            if session == self._session:
                link.send(puback_packet(mid))
        while self._said:
            session, packet = self._said.popleft()
            if session == self._session:
                link.send(packet)
        while self._client.want_write() and self._client.link() is link:
            self._client.loop_write()
        try:
            link.flush()
        except OSError as error:
            log.warning("broker_connection_broken error=%s", error)
            self._client.give_up()

    def _wake(self) -> None:
        if not self._rung:
            self._rung = True
            try:
                self._bell.send(b"!")
            except OSError:  # full, so it rings; or closed, so nobody listens
                return

    def _hush(self, rung: bool) -> None:
        if rung:
            self._ear.recv(64)
            self._rung = False  # before what it rang for is looked at

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.error("broker_refused reason=%s", reason)
            self._down.set()
            return
        with self._lock:
            self._session += 1
            if not flags.session_present:
                # The broker lost what it held. Said again, the halt list is there for newcomers, and the hint makes
                # devices that were back before us, and so spoke to nobody, say hello again.
                self._waiting = {**{t: (raw, True) for t, raw in self._fleet_wide.items()}, **self._waiting}
        client.subscribe(UPLINK, qos=1)

    def _on_subscribe(
        self,
        client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("broker_refused_subscription reason=%s", reasons)
            client.disconnect()
            return
        with self._lock:
            self._up.set()
            waiting, self._waiting = self._waiting, {}
        for topic, (payload, retain) in waiting.items():
            client.publish(topic, payload, qos=1, retain=retain)
        log.info("broker_connected host=%s port=%d", self._config.host, self._config.port)

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not self._stopping.is_set():
            log.warning("broker_disconnected reason=%s", reason)
        self._down.set()

    def _acknowledge(self, batch: Sequence[Telegram]) -> None:
        self._acks.extend((telegram.session, telegram.mid) for telegram in batch if telegram.qos)
        self._wake()


class _Client(mqtt.Client):
    """paho's client over a buffered socket."""

    def link(self) -> BufferedSocket | None:
        """The connection, while there is one."""
        found = self.socket()
        return found if isinstance(found, BufferedSocket) else None

    def excuse(self) -> None:
        """Nothing is read on purpose, the broker's answer to a ping neither: its silence begins only now."""
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        self._ping_t = 0.0

    def give_up(self) -> None:
        """The connection is broken: close it as paho does where it finds that out itself."""
        self._loop_rc_handle(mqtt.MQTT_ERR_CONN_LOST)

    def _create_socket(self) -> BufferedSocket:
        return BufferedSocket(cast(socket.socket, super()._create_socket()))  # TCP or TLS, never a websocket here


def _make_client(config: GatewayConfig) -> _Client:
    five = config.protocol == 5
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=config.client_id,
        protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
        clean_session=None if five else False,
        reconnect_on_failure=False,  # ours carries jitter, paho's does not
        manual_ack=True,
    )
    context = ssl.create_default_context(cafile=str(config.ca))
    context.load_cert_chain(config.cert, config.key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    client.tls_set_context(context)
    return client


def _properties(config: GatewayConfig) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = config.session_s
    properties.ReceiveMaximum = min(65535, config.limits.queue)
    return properties
