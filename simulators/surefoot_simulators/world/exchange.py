"""What passes messages between devices and the server of a world: a broker without time, and the one held in memory.

Promises: `MemoryExchange` keeps, says and loses what mosquitto does, message for message: what is retained, what waits
for the server until it acknowledges, wills where a session breaks off, is taken over or ends with the broker, and what
is retained once more where the server comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from surefoot_server.inbound import Telegram
from surefoot_shared import topics

UP = "/up/"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a device received."""

    device: str
    topic: str
    payload: bytes


class Exchange(Protocol):
    """Each call returns once the broker has done what it asks. Devices and server are named, never their sockets."""

    # --- devices ------------------------------------------------------------------------------------------------------

    def connect(self, device: str, will: bytes) -> None:
        """A clean session; one of that name ends, with its will. `will` is a presence."""

    def subscribe(self, device: str) -> Sequence[Delivered]:
        """As an agent does; returns what is retained for it: what is for all, by topic, then its own."""

    def say(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        """A connected device publishes."""

    def break_off(self, device: str) -> None:
        """Its connection ends without a goodbye, so its will is said."""

    # --- the server ---------------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, retain: bool) -> Sequence[Delivered]:
        """The server publishes; who subscribed receives it, in the order of their names. Empty clears what is kept."""

    def heard(self) -> Sequence[Telegram]:
        """What came for the server and is not acknowledged, oldest first."""

    def acknowledge(self, count: int) -> None:
        """So many of the oldest are stored for good."""

    def server(self, here: bool) -> None:
        """The server's process ends, or is back and subscribes again: what it missed comes, then what is retained."""

    # --- the broker itself --------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """In order: every session breaks off, and all that is to be kept is written down."""

    def start(self) -> None:
        """With what was written down; also the first time."""

    def close(self) -> None: ...


@dataclass
class MemoryExchange:
    """In this process. `_wills` are those of connected devices, in the order in which they connected."""

    _wills: dict[str, bytes] = field(default_factory=dict)
    _subscribed: set[str] = field(default_factory=set)
    _retained: dict[str, bytes] = field(default_factory=dict)
    _queue: list[Telegram] = field(default_factory=list)
    _runs: bool = False
    _server_here: bool = True

    def connect(self, device: str, will: bytes) -> None:
        if device in self._wills:
            self.break_off(device)
        self._wills[device] = will

    def subscribe(self, device: str) -> Sequence[Delivered]:
        self._subscribed.add(device)
        kept = [topic for topic in self._retained if hears(device, topic)]
        return [Delivered(device, topic, self._retained[topic]) for topic in sorted(kept, key=order)]

    def say(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        self._keep(topic, payload, retain)
        self._queue.append(Telegram(topic, payload))

    def break_off(self, device: str) -> None:
        will = self._wills.pop(device)
        self._subscribed.discard(device)
        self.say(device, topics.up(device, "presence"), will, retain=True)

    def publish(self, topic: str, payload: bytes, retain: bool) -> Sequence[Delivered]:
        self._keep(topic, payload, retain)
        return [Delivered(name, topic, payload) for name in sorted(self._subscribed) if hears(name, topic)]

    def heard(self) -> Sequence[Telegram]:
        return self._queue

    def acknowledge(self, count: int) -> None:
        del self._queue[:count]

    def server(self, here: bool) -> None:
        self._server_here = here
        self._subscribe_server()

    def stop(self) -> None:
        for device in list(self._wills):
            self.break_off(device)
        self._runs = False

    def start(self) -> None:
        self._runs = True
        self._subscribe_server()

    def close(self) -> None:
        self._runs = False

    def _subscribe_server(self) -> None:
        if self._runs and self._server_here:
            self._queue += [Telegram(topic, self._retained[topic]) for topic in sorted(self._retained) if UP in topic]

    def _keep(self, topic: str, payload: bytes, retain: bool) -> None:
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)


def hears(device: str, topic: str) -> bool:
    """Whether it is in what a device subscribes to."""
    return topic.startswith(tuple(each.removesuffix("#") for each in topics.heard_by(device)))


def order(topic: str) -> tuple[bool, str]:
    """What is for all first. A broker promises no order of different topics, and a world has one."""
    return topic not in (topics.FLEET_HALT, topics.FLEET_TRUST), topic
