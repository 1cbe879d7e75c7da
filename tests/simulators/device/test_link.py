"""A simulated line delays, loses and doubles; sessions end for device and broker at times of their own."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from surefoot_agent.downlink import Connected, Disconnected, LinkEvent
from surefoot_shared import wire
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.status import Presence
from surefoot_simulators.device.link import KEEPALIVE_S, NOTICE_S, Network, SimLink
from surefoot_simulators.world.events import EventQueue


@dataclass
class Broker:
    there: bool = True
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    left: list[float] = field(default_factory=list)

    def open(self, link: SimLink) -> bool:
        return self.there

    def take(self, device: str, topic: str, payload: bytes, retain: bool) -> None:
        self.taken.append((topic.rpartition("/")[2], payload))

    def gone(self, link: SimLink, after_s: float) -> None:
        self.left.append(after_s)


class Line:
    def __init__(self) -> None:
        self.queue, self.broker = EventQueue(), Broker()
        self.heard: list[LinkEvent] = []
        self.link = SimLink("cam-1", self.broker, self.queue.later, random.Random(1))

    def begin(self) -> None:
        self.link.begin(self.heard.append, "agent-1")
        self.queue.run(self.queue.now + 10.0)


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_device_that_connects_says_that_it_is_online(line: Line) -> None:
    line.begin()

    assert line.heard == [Connected()]
    assert wire.decode(PresenceMessage, line.broker.taken[0][1]).state is Presence.ONLINE


def test_without_a_session_nothing_is_taken(line: Line) -> None:
    assert line.link.publish("hello", b"x") is False


def test_a_cut_is_noticed_by_each_side_in_its_own_time_and_mended_by_a_new_session(line: Line) -> None:
    line.begin()
    line.link.cut()
    line.queue.run(line.queue.now + NOTICE_S + 1)
    line.link.mend()
    line.queue.run(line.queue.now + 10)

    assert [type(event) for event in line.heard] == [Connected, Disconnected, Connected]
    assert line.broker.left == [KEEPALIVE_S]


def test_cuts_add_up_and_each_must_be_mended(line: Line) -> None:
    line.link.cut()
    line.link.cut()
    line.link.mend()

    assert not line.link.reachable


def test_a_broker_that_is_away_is_tried_again(line: Line) -> None:
    line.broker.there = False
    line.begin()
    line.broker.there = True
    line.queue.run(line.queue.now + 300)

    assert line.heard == [Connected()]


@pytest.mark.parametrize(("changes", "copies"), [({"loss": 1.0}, 0), ({"duplicates": 1.0}, 2), ({}, 1)])
def test_messages_are_lost_and_doubled_as_the_network_has_it(
    line: Line, changes: dict[str, float], copies: int
) -> None:
    line.begin()
    line.broker.taken.clear()
    line.link.network = replace(Network(), **changes)  # type: ignore[arg-type]

    line.link.publish("events", b"x")
    line.queue.run(line.queue.now + 10)

    assert len(line.broker.taken) == copies


def test_a_late_copy_comes_after_newer_messages_and_the_first_copies_keep_their_order(line: Line) -> None:
    line.begin()
    line.broker.taken.clear()
    line.link.network = Network(late=0.5)

    for number in range(30):
        line.queue.run(line.queue.now + 1)
        line.link.publish("events", str(number).encode())
    line.queue.run(line.queue.now + 200)

    arrived = [int(payload) for _, payload in line.broker.taken]
    assert list(dict.fromkeys(arrived)) == list(range(30))
    assert len(arrived) > 35
    assert arrived != sorted(arrived)


def test_a_message_that_is_lost_takes_its_session_with_it(line: Line) -> None:
    line.begin()
    line.link.network = Network(loss=1.0)
    line.link.publish("events", b"x")
    line.link.network = Network()
    line.queue.run(line.queue.now + 10)

    assert [type(event) for event in line.heard] == [Connected, Disconnected, Connected]
