"""The link of a simulated device: a session with the world's broker through a network that delays, loses and doubles.

Promises: what arrives is parsed by the agent's own border code; a session ends for the device and for the broker at
different times, as keepalives have it; reconnects carry full jitter by the agent's own back-off. As over TCP, a message
that is lost takes its session with it, and within a session nothing overtakes: what comes late is a second copy of what
came before. Refuses to repeat a message that was lost: the agent's outbox has to.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from surefoot_agent.downlink import Connected, Disconnected, LinkEvent, parse_down
from surefoot_agent.link import Backoff
from surefoot_shared import topics, wire
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.status import Presence
from surefoot_simulators.device.lanes import Later

KEEPALIVE_S = 45.0
"""One and a half keepalives of 30 s: then the broker says that the device is offline."""
NOTICE_S = 15.0
"""Until a device without network knows it."""
LATE_S = 90.0
"""Within which a late copy comes, after whatever was said meanwhile."""


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between a device and the server. `loss`, `duplicates` and `late` (copies) are shares of messages."""

    delay_s: float = 0.05
    loss: float = 0.0
    duplicates: float = 0.0
    late: float = 0.0
    rate_bytes_per_s: float = 2e6
    metered: bool = False


class Broker(Protocol):
    """The broker as a link sees it."""

    def open(self, link: SimLink) -> bool:
        """Begin a session; what is retained is sent at once. False where there is no broker."""

    def take(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        """A message arrived."""

    def gone(self, link: SimLink, after_s: float) -> None:
        """The session is broken: its will is published, after so long without a sign of life."""


class SimLink:
    """Publisher port; one for the life of a device, used by one agent after the other."""

    def __init__(self, device: str, broker: Broker, later: Later, rand: random.Random) -> None:
        self.device, self._broker, self._later, self._rand = device, broker, later, rand
        self.network, self.connected = Network(), False
        self._cuts = 0
        self.metered_bytes = 0.0
        self._post: Callable[[LinkEvent], None] | None = None
        self._instance, self._failures, self._attempts = "", 0, 0

    # --- the agent's side ---------------------------------------------------------------------------------------------

    def begin(self, post: Callable[[LinkEvent], None], instance: str) -> None:
        """An agent begins: connect as soon as there is a network. `post` hears what arrives, then the device stirs."""
        self._post, self._instance, self._failures = post, instance, 0
        self._try_later(1.0)

    def stop(self, goodbye: bool = False) -> None:
        """The agent is gone; without a goodbye the broker finds that out by itself."""
        self._post, self._attempts = None, self._attempts + 1
        if self.connected:
            self.connected = False
            self._broker.gone(self, 0.0 if goodbye else KEEPALIVE_S)

    def publish(self, what: str, payload: bytes) -> bool:
        if not self.connected:
            return False
        self._send(topics.up(self.device, what), payload, retain=what == "presence")
        return True

    # --- the network's side -------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether packets pass at all."""
        return self._cuts == 0

    def cut(self) -> None:
        """No packet passes from now on; cuts add up, and each must be mended."""
        self._cuts += 1
        if self._cuts == 1 and self.connected:
            attempt = self._attempts
            self._later(NOTICE_S, lambda: self._notice(attempt))
            self._broker.gone(self, KEEPALIVE_S)

    def mend(self) -> None:
        self._cuts = max(0, self._cuts - 1)
        if self._cuts == 0 and self._post is not None and not self.connected:
            self._try_later(2.0)

    def drop(self) -> None:
        """The broker ended the session."""
        if self.connected:
            self.connected = False
            self._hear(Disconnected("unreachable", "The broker closed the connection."))
            self._try_later(self._backoff_s())

    def deliver(self, topic: str, payload: bytes) -> None:
        """The broker sends."""
        for after_s in self._journeys():
            self._later(after_s, lambda: self._arrive(topic, payload))

    def _arrive(self, topic: str, payload: bytes) -> None:
        if self.connected and self.reachable:
            self._hear(parse_down(self.device, topic, payload))

    def _send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        for after_s in self._journeys():
            self._later(after_s, lambda: self._leave(topic, payload, retain))

    def _leave(self, topic: str, payload: bytes, retain: bool) -> None:
        if self.reachable:
            self._broker.take(self.device, topic, payload, retain)

    def _journeys(self) -> list[float]:
        """How long each copy of a message takes; none where it is lost, and then the session ends too."""
        rand, network = self._rand, self.network
        if network.loss and rand.random() < network.loss:
            attempt = self._attempts
            self._later(network.delay_s, lambda: self._reset(attempt))
            return []
        copies = 2 if network.duplicates and rand.random() < network.duplicates else 1
        late = [LATE_S * rand.random()] if network.late and rand.random() < network.late else []
        return [*[network.delay_s] * copies, *late]

    def _reset(self, attempt: int) -> None:
        if self.connected and attempt == self._attempts:
            self.connected = False
            self._broker.gone(self, 0.0)
            self._hear(Disconnected("unreachable", "The connection was reset."))
            self._try_later(2.0)

    def _try_later(self, within_s: float) -> None:
        self._attempts += 1
        attempt = self._attempts
        self._later(within_s * self._rand.random(), lambda: self._try(attempt))

    def _try(self, attempt: int) -> None:
        if attempt != self._attempts or self._post is None or self.connected:
            return
        if not self.reachable:
            return  # `mend` tries again: nothing is lost by not waking up for nothing
        self.connected = self._broker.open(self)
        if not self.connected:
            self._failures += 1
            self._try_later(self._backoff_s())
            return
        self._failures = 0
        self.publish("presence", wire.encode(PresenceMessage(Presence.ONLINE, self._instance)))
        self._hear(Connected())

    def _backoff_s(self) -> float:
        return max(1.0, Backoff().delay_s(self._failures, False, 1.0))

    def _notice(self, attempt: int) -> None:
        if self.connected and not self.reachable and attempt == self._attempts:
            self.connected = False
            self._hear(Disconnected("unreachable", "No answer from the broker."))
        elif self.connected and self.reachable:
            self.connected = False  # it came back meanwhile, and the broker has given the session up
            self._hear(Disconnected("unreachable", "The connection was reset."))
            self._try_later(2.0)

    def _hear(self, event: LinkEvent) -> None:
        if self._post is not None:
            self._post(event)

    def will(self) -> bytes:
        """What the broker says for a device that is gone."""
        return wire.encode(PresenceMessage(Presence.OFFLINE, self._instance))
