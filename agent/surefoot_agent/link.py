"""The device's MQTT connection: brings what the server says, takes what the agent says. The only paho on the device.

Promises: mutual TLS against the fleet's own CA with the host name checked; `Connected` comes only after subscriptions
are granted; a malformed message becomes `MessageRefused` and nothing else; reconnects carry full jitter (paho's own
have none, and two thousand cameras would return at once); two agents with one identity are told apart from a bad line.
Refuses to keep anything: what could not be sent is the outbox's to send again. `on_event` is called on other threads.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from surefoot_agent import tls
from surefoot_agent.downlink import Connected, Disconnected, LinkEvent, MessageRefused, parse_down
from surefoot_agent.identity import Identity
from surefoot_shared import topics, wire
from surefoot_shared.errors import Unreachable
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.status import Presence

__all__ = ["Backoff", "Link", "LinkEvent"]
log = logging.getLogger(__name__)

KEEPALIVE_S = 30
OUT_LIMIT = 100
"""Messages that may wait for the broker's acknowledgement; beyond it the outbox keeps them, which is durable."""
TAKEN_OVER = 142
"""MQTT 5 reason "session taken over": another client came with this identity."""
QUICK_DROP_S = 10.0
QUICK_DROPS = 5
QUICK_WINDOW_S = 30.0
"""MQTT 3.1.1 gives no reason, nor does mosquitto 2.0.11 with MQTT 5 (measured: it only closes). So many connections in
a row, all within QUICK_WINDOW_S, each accepted and dropped within QUICK_DROP_S with no refusal in between, mean a twin;
a server that restarts three times in a quarter of a minute is none."""


class QuickDrops:
    """Counts connections that were accepted and dropped at once; a refused one in between begins anew."""

    def __init__(self) -> None:
        self._at: list[float] = []

    def ended(self, was_up: bool, lasted_s: float, now: float) -> bool:
        """Take the end of one connection; True where so many in a row mean a twin. `now` is monotonic."""
        if not was_up or lasted_s >= QUICK_DROP_S:
            self._at.clear()
            return False
        self._at = [*(at for at in self._at if now - at <= QUICK_WINDOW_S), now]
        return len(self._at) >= QUICK_DROPS


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: wait a random time up to min(cap, base · 2^failures); after a conflict up to `conflict_s`."""

    base_s: float = 1.0
    cap_s: float = 120.0
    conflict_s: float = 600.0
    """Twins that fight for one session cost the broker and the air; a person must act anyway."""

    def delay_s(self, failures: int, conflict: bool, rand: float) -> float:
        """`rand` is uniform in 0..1."""
        ceiling_s = self.conflict_s if conflict else min(self.cap_s, self.base_s * 2 ** min(failures, 16))
        return ceiling_s * rand


class Link:
    """One connection that keeps coming back. `presence` is the encoded PresenceMessage that says online."""

    def __init__(
        self,
        identity: Identity,
        on_event: Callable[[LinkEvent], None],
        presence: bytes,
        backoff: Backoff | None = None,
        visible: bool = True,
    ) -> None:
        """Where it is not `visible`, the server is not told that the device is online: somebody only tries the way."""
        self._identity, self._on_event, self._backoff = identity, on_event, backoff or Backoff()
        online = wire.decode(PresenceMessage, presence)
        self._online = wire.encode(dataclasses.replace(online, state=Presence.ONLINE))
        self._offline = wire.encode(dataclasses.replace(online, state=Presence.OFFLINE))
        self._online = self._online if visible else self._offline
        self._client: mqtt.Client | None = None
        self._pair = identity.cert_file.stem
        self._connected = False
        self._stopping, self._down = threading.Event(), threading.Event()
        self._drop = Disconnected("unreachable", "Not connected yet.")
        self._listeners: dict[str, Callable[[int, bytes], None]] = {}
        self._greeting: int | None = None
        """Number of the first subscription of this connection; others are of blobs."""
        self._thread = threading.Thread(target=self._stay_connected, name="link", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say offline, disconnect and wait for the threads to end."""
        self._stopping.set()
        client = self._client
        if client is not None and self._connected:
            goodbye = client.publish(self._topic("presence"), self._offline, qos=1, retain=True)
            _wait_briefly(goodbye)
        if client is not None:
            client.disconnect()
        self._down.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def use(self, identity: Identity) -> None:
        """Connect anew, with this identity; it is the same device with another certificate."""
        self._identity = identity
        self._down.set()

    def publish(self, what: str, payload: bytes) -> bool:
        """Hand a message over at QoS 1; False where it could not be taken: keep it and try after `Connected`."""
        client, topic = self._client, self._topic(what)
        if client is None or not self._connected:
            return False
        return client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def listen(self, sha256: str, take: Callable[[int, bytes], None]) -> None:
        """Hand the chunks of a blob to `take` on this link's thread, over reconnects too, until `deafen`."""
        self._listeners[sha256] = take
        client = self._client
        if client is not None and self._connected:
            client.subscribe(topics.chunks_of(sha256), 1)

    def deafen(self, sha256: str) -> None:
        self._listeners.pop(sha256, None)
        client = self._client
        if client is not None and self._connected:
            client.unsubscribe(topics.chunks_of(sha256))

    def round_trip(self, timeout_s: float) -> float:
        """Have the broker acknowledge a message, and return the seconds it took. Raises Unreachable.

        The message is the presence that it holds already: nothing changes, and nobody is told anything new.
        """
        client, began = self._client, time.monotonic()
        if client is None or not self._connected or self._stopping.is_set():
            raise Unreachable("unreachable", self._drop.message)
        try:
            sent = client.publish(self._topic("presence"), self._online, qos=1, retain=True)
            sent.wait_for_publish(timeout_s)
            answered = sent.is_published()
        except (RuntimeError, ValueError) as error:
            raise Unreachable("unreachable", f"The broker took no message: {error}.") from error
        if not answered:
            raise Unreachable("too_slow", f"The broker acknowledged nothing within {timeout_s:g} s.")
        return time.monotonic() - began

    def _topic(self, what: str) -> str:
        return topics.up(self._identity.device, what)

    def _stay_connected(self) -> None:
        failures, drops = 0, QuickDrops()
        while True:
            self._down.clear()
            if self._stopping.is_set():  # looked at after the clear: stop() sets this first, then _down
                return
            began, was_up = time.monotonic(), self._connect_once()
            if self._stopping.is_set():
                return
            now = time.monotonic()
            quick, twin = was_up and now - began < QUICK_DROP_S, drops.ended(was_up, now - began, now)
            failures = 0 if was_up and not quick else failures + 1
            if twin and self._drop.reason == "unreachable":
                self._drop = Disconnected("identity_conflict", "The broker dropped this identity again and again.")
            conflict = self._drop.reason == "identity_conflict"
            log.warning("link_down reason=%s message=%s", self._drop.reason, self._drop.message)
            self._on_event(self._drop)
            self._stopping.wait(self._backoff.delay_s(failures, conflict, random.random()))  # noqa: S311 - jitter

    def _connect_once(self) -> bool:
        """Connect and stay until the connection ends; True where it had come up. A new client each time: it carries
        no half-sent messages over, and a renewed certificate is read."""
        identity = self._identity
        try:
            client = self._client = self._make_client(identity)
            client.connect(identity.mqtt_host, identity.mqtt_port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._drop = Disconnected("unreachable", f"The broker cannot be reached: {error}.")
            return False
        self._drop, self._pair = Disconnected("unreachable", "The connection broke off."), identity.cert_file.stem
        client.loop_start()
        self._down.wait()
        was_up, self._connected = self._connected, False
        client.disconnect()
        client.loop_stop()
        return was_up

    def _make_client(self, identity: Identity) -> mqtt.Client:
        five = identity.mqtt_protocol == 5
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=identity.device,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else True,  # nothing may wait at the broker: hello asks for what is true now
            reconnect_on_failure=False,
        )
        client.max_queued_messages_set(OUT_LIMIT)
        client.tls_set_context(tls.context(identity.ca_file, identity.cert_file, identity.key_file))
        client.will_set(self._topic("presence"), self._offline, qos=1, retain=True)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_disconnect, client.on_message = self._on_disconnect, self._on_message
        return client

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._drop = Disconnected("not_allowed", f"The broker refused this device: {reason}.")
            self._down.set()
            return
        own = [(each, 1) for each in topics.heard_by(self._identity.device)]
        _, self._greeting = client.subscribe([*own, *((topics.chunks_of(name), 1) for name in list(self._listeners))])

    def _on_subscribe(
        self,
        client: mqtt.Client,
        _userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if mid != self._greeting:
            return
        if any(reason.is_failure for reason in reasons):
            self._drop = Disconnected("not_allowed", "The broker refused the subscriptions of this device.")
            self._down.set()
            return
        client.publish(self._topic("presence"), self._online, qos=1, retain=True)
        self._connected = True
        log.info("link_up host=%s port=%d", self._identity.mqtt_host, self._identity.mqtt_port)
        self._on_event(Connected(self._pair))

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.value == TAKEN_OVER and self._identity.mqtt_protocol == 5:
            self._drop = Disconnected("identity_conflict", "Another agent took over this identity.")
        elif self._drop.reason == "unreachable":
            self._drop = Disconnected("unreachable", f"The connection broke off: {reason}.")
        self._down.set()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        blob = topics.parse_blob(message.topic)
        if blob is not None:
            take = self._listeners.get(blob[0])
            if take is not None:  # else it is on its way from before somebody stopped to listen
                take(blob[1], bytes(message.payload))
            return
        event = parse_down(self._identity.device, message.topic, bytes(message.payload))
        if isinstance(event, MessageRefused):
            log.warning("message_refused topic=%s error=%s", event.topic, event.message)
        self._on_event(event)


def _wait_briefly(sent: mqtt.MQTTMessageInfo) -> None:
    """Give the goodbye two seconds; the last will says the same where it does not get through."""
    try:
        sent.wait_for_publish(timeout=2.0)
    except (RuntimeError, ValueError) as error:
        log.info("goodbye_not_sent error=%s", error)
