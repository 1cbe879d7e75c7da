"""The broker of a simulated world: sessions, what is retained, the server's queue, wills; and it can be restarted.

Promises: what a device says while the server is away waits for it, as a persistent session has it; what is retained
outlives a restart; nothing is lost here that a real broker keeps, and sessions are lost as a real broker loses them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from surefoot_server.inbound import Telegram
from surefoot_server.telemetry.fast_wire import write_ack
from surefoot_shared import topics, wire
from surefoot_shared.messages import Ack, Lease, Request, TrustHint
from surefoot_simulators.device.link import SimLink
from surefoot_simulators.world.events import EventQueue


@dataclass
class WorldBroker:
    """Broker of the links, downlink of the server. `arrived` is called when something waits for the server."""

    queue: EventQueue
    arrived: Callable[[], None] = lambda: None
    sessions: dict[str, SimLink] = field(default_factory=dict)
    waiting: list[Telegram] = field(default_factory=list)
    up: bool = True
    messages: int = 0
    _bundles: dict[str, bytes] = field(default_factory=dict)
    _fleet: dict[str, bytes] = field(default_factory=dict)
    _opened: dict[str, int] = field(default_factory=dict)
    _outages: int = 0

    # --- devices ------------------------------------------------------------------------------------------------------

    def open(self, link: SimLink) -> bool:
        if not self.up:
            return False
        self.sessions[link.device] = link
        self._opened[link.device] = self._opened.get(link.device, 0) + 1
        self.queue.later(link.network.delay_s, lambda: self._retained(link))
        return True

    def take(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        if not self.up or device not in self.sessions:
            return
        self._for_server(topic, payload)

    def gone(self, link: SimLink, after_s: float) -> None:
        session = self._opened.get(link.device, 0)

        def say_will() -> None:
            if self.sessions.get(link.device) is link and self._opened[link.device] == session:
                del self.sessions[link.device]
                self._for_server(topics.up(link.device, "presence"), link.will())

        self.queue.later(after_s, say_will)

    def restart(self, down_s: float) -> None:
        """Every session ends; what waits for the server and what is retained was written down.

        Of outages that overlap the last to end is the end.
        """
        self._outages, self.up = self._outages + 1, False
        links = [self.sessions[name] for name in sorted(self.sessions)]
        self.sessions.clear()
        for link in links:
            link.drop()

        def come_up() -> None:
            self._outages -= 1
            if not self._outages:
                self.up = True
                self.arrived()

        self.queue.later(down_s, come_up)

    # --- the server ---------------------------------------------------------------------------------------------------

    def take_waiting(self) -> list[Telegram]:
        """What came for the server since it last asked."""
        came, self.waiting = (self.waiting, []) if self.up else ([], self.waiting)
        return came

    def put_back(self, telegrams: list[Telegram]) -> None:
        """They were not acknowledged, so they come again."""
        self.waiting = [*telegrams, *self.waiting]

    def publish_bundle(self, device_id: str, raw: bytes) -> None:
        self._bundles[device_id] = raw
        self._to(device_id, topics.down(device_id, "bundle"), raw)

    def forget(self, device_id: str) -> None:
        self._bundles.pop(device_id, None)

    def publish_lease(self, device_id: str, lease: Lease) -> None:
        self._to(device_id, topics.down(device_id, "lease"), wire.encode(lease))

    def publish_ack(self, device_id: str, ack: Ack) -> None:
        self._to(device_id, topics.down(device_id, "ack"), write_ack(ack))

    def request(self, device_id: str, request: Request) -> None:
        self._to(device_id, topics.down(device_id, "request"), wire.encode(request))

    def publish_halt(self, raw: bytes) -> None:
        self._to_all(topics.FLEET_HALT, raw)

    def publish_trust(self, hint: TrustHint) -> None:
        self._to_all(topics.FLEET_TRUST, wire.encode(hint))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _for_server(self, topic: str, payload: bytes) -> None:
        self.messages += 1
        self.waiting.append(Telegram(topic, payload))
        self.arrived()

    def _retained(self, link: SimLink) -> None:
        for topic in sorted(self._fleet):
            link.deliver(topic, self._fleet[topic])
        if link.device in self._bundles:
            link.deliver(topics.down(link.device, "bundle"), self._bundles[link.device])

    def _to(self, device_id: str, topic: str, payload: bytes) -> None:
        link = self.sessions.get(device_id)
        if self.up and link is not None:
            self.messages += 1
            link.deliver(topic, payload)

    def _to_all(self, topic: str, payload: bytes) -> None:
        self._fleet[topic] = payload
        for name in sorted(self.sessions):
            self._to(name, topic, payload)
