"""The MQTT side of the server: hands what devices say to the intake, and tells them what is wanted. The only paho here.

Promises: a message is acknowledged to the broker only when the intake says that it is stored for good; the broker is
asked to wait rather than to lose (MQTT 5 receive-maximum is the queue's bound); publishing is thread-safe, and what is
published while the broker is away goes out after it returned, the newest per topic.
Refuses to decide anything: correctness rests on hello and its answer, so a lost message costs time only.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from surefoot_server.inbound import GatewayHandlers, Telegram
from surefoot_server.intake import Intake, IntakeLimits, IntakeStats, OnDeadLetter
from surefoot_shared import topics, wire
from surefoot_shared.messages import Ack, Lease, Request, TrustHint

log = logging.getLogger(__name__)

UPLINK = f"{topics.PREFIX}/d/+/up/#"


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
        self._stopping, self._down, self._up = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._stay_connected, name="gateway-connection", daemon=True)
        self._client = _make_client(config)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        self._intake.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand, leave the rest with the broker, disconnect."""
        self._intake.stop()
        self._stopping.set()
        self._client.disconnect()
        self._down.set()
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

    def publish_ack(self, device_id: str, ack: Ack) -> None:
        self._publish(topics.down(device_id, "ack"), wire.encode(ack))

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
        self._client.loop_start()
        self._down.wait()
        was_up = self._up.is_set()
        with self._lock:
            self._up.clear()
        self._client.loop_stop()
        return was_up

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

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._intake.offer(Telegram(message.topic, bytes(message.payload), message.mid, message.qos, self._session))

    def _acknowledge(self, batch: Sequence[Telegram]) -> None:
        for telegram in batch:
            # Message ids belong to their connection: an old one could acknowledge a different message on a new one.
            if telegram.qos and telegram.session == self._session:
                self._client.ack(telegram.mid, telegram.qos)


def _make_client(config: GatewayConfig) -> mqtt.Client:
    five = config.protocol == 5
    client = mqtt.Client(
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
