"""The broker of a simulated world: whose session lasts how long in virtual time, wills, outages; it can be restarted.

Promises: what a device says while the server is away waits for it, as a persistent session has it; what is retained
outlives a restart; a session that is gone is found out by its keepalive. What passes, is kept and is lost is the
exchange's: in memory, or a real mosquitto (`wire_exchange`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from surefoot_server.inbound import Telegram
from surefoot_server.telemetry.fast_wire import write_ack
from surefoot_shared import topics, wire
from surefoot_shared.messages import Ack, Lease, Request, TrustHint
from surefoot_simulators.device.link import SimLink
from surefoot_simulators.world.events import EventQueue
from surefoot_simulators.world.exchange import Exchange, MemoryExchange


@dataclass
class WorldBroker:
    """Broker of the links, downlink of the server. `arrived` is called when something waits for the server."""

    queue: EventQueue
    exchange: Exchange = field(default_factory=MemoryExchange)
    arrived: Callable[[], None] = lambda: None
    sessions: dict[str, SimLink] = field(default_factory=dict)
    up: bool = True
    messages: int = 0
    passed: bytes = b""
    """A digest of all that arrived, in order: when, at whom, on which topic, and of presences which.

    Of the rest no bytes: what is signed has others in each run.
    """
    _opened: dict[str, int] = field(default_factory=dict)
    _unsaid: dict[str, bytes] = field(default_factory=dict)
    """By topic, what is to be retained and was published during an outage: the server says it afterwards."""
    _outages: int = 0

    def __post_init__(self) -> None:
        self.exchange.start()

    # --- devices ------------------------------------------------------------------------------------------------------

    def open(self, link: SimLink) -> bool:
        if not self.up:
            return False
        before = len(self.exchange.heard())
        self.exchange.connect(link.device, link.will())
        self.sessions[link.device] = link
        session = self._opened[link.device] = self._opened.get(link.device, 0) + 1
        self.queue.later(link.network.delay_s, lambda: self._subscribe(link, session))
        self._told_since(before)
        return True

    def take(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        if self.up and device in self.sessions:
            self.exchange.say(device, topic, payload, retain)
            self._told()

    def gone(self, link: SimLink, after_s: float) -> None:
        session = self._opened.get(link.device, 0)

        def say_will() -> None:
            if self._lasts(link, session):
                del self.sessions[link.device]
                self.exchange.break_off(link.device)
                self._told()

        self.queue.later(after_s, say_will)

    def restart(self, down_s: float) -> None:
        """Every session ends; what waits for the server and what is retained was written down.

        Of outages that overlap the last to end is the end.
        """
        self._outages += 1
        if self.up:
            self.up = False
            self.exchange.stop()
        links = [self.sessions[name] for name in sorted(self.sessions)]
        self.sessions.clear()
        for link in links:
            link.drop()

        def come_up() -> None:
            self._outages -= 1
            if not self._outages:
                self.exchange.start()
                self.up = True
                for topic, payload in self._unsaid.items():
                    self.exchange.publish(topic, payload, retain=True)
                self._unsaid.clear()
                self.arrived()

        self.queue.later(down_s, come_up)

    # --- the server ---------------------------------------------------------------------------------------------------

    def server(self, here: bool) -> None:
        """Its process was killed, or is back."""
        self.exchange.server(here)

    def waiting(self) -> Sequence[Telegram]:
        """What came for the server; it comes again until it is acknowledged."""
        return list(self.exchange.heard()) if self.up else []

    def acknowledge(self, telegrams: Sequence[Telegram]) -> None:
        """The oldest, which were asked for last, are stored for good."""
        for telegram in telegrams:
            self._note("server", telegram.topic, telegram.payload)
        self.exchange.acknowledge(len(telegrams))

    def publish_bundle(self, device_id: str, raw: bytes) -> None:
        self._publish(topics.down(device_id, "bundle"), raw, retain=True)

    def forget(self, device_id: str) -> None:
        self._publish(topics.down(device_id, "bundle"), b"", retain=True)

    def publish_lease(self, device_id: str, lease: Lease) -> None:
        self._publish(topics.down(device_id, "lease"), wire.encode(lease))

    def publish_ack(self, device_id: str, ack: Ack) -> None:
        self._publish(topics.down(device_id, "ack"), write_ack(ack))

    def request(self, device_id: str, request: Request) -> None:
        self._publish(topics.down(device_id, "request"), wire.encode(request))

    def publish_halt(self, raw: bytes) -> None:
        self._publish(topics.FLEET_HALT, raw, retain=True)

    def publish_trust(self, hint: TrustHint) -> None:
        self._publish(topics.FLEET_TRUST, wire.encode(hint), retain=True)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _told(self) -> None:
        self.messages += 1
        self.arrived()

    def _told_since(self, before: int) -> None:
        if len(self.exchange.heard()) > before:
            self._told()

    def _note(self, where: str, topic: str, payload: bytes) -> None:
        said = payload if topic.endswith("/presence") else b""
        self.passed = hashlib.sha256(self.passed + f"{self.queue.now} {where} {topic} ".encode() + said).digest()

    def _lasts(self, link: SimLink, session: int) -> bool:
        return self.sessions.get(link.device) is link and self._opened[link.device] == session

    def _subscribe(self, link: SimLink, session: int) -> None:
        if self._lasts(link, session):
            for each in self.exchange.subscribe(link.device):
                self._note(each.device, each.topic, each.payload)
                link.deliver(each.topic, each.payload)

    def _publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        if self.up:
            for each in self.exchange.publish(topic, payload, retain):
                self.messages += 1
                self._note(each.device, each.topic, each.payload)
                self.sessions[each.device].deliver(each.topic, each.payload)
        elif retain:
            self._unsaid[topic] = payload
