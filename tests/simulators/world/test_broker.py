"""The broker of a world keeps what a real one keeps and loses what a real one loses."""

from __future__ import annotations

import random

import pytest

from surefoot_agent.downlink import BundleArrived, Connected, HaltArrived, LinkEvent
from surefoot_simulators.device.link import KEEPALIVE_S, SimLink
from surefoot_simulators.world.broker import WorldBroker
from surefoot_simulators.world.events import EventQueue


class House:
    def __init__(self) -> None:
        self.queue = EventQueue()
        self.broker = WorldBroker(self.queue)
        self.heard: list[LinkEvent] = []
        self.link = SimLink("cam-1", self.broker, self.queue.later, random.Random(1))

    def connect(self) -> None:
        self.link.begin(self.heard.append, "agent-1")
        self.wait(10.0)

    def wait(self, seconds: float) -> None:
        self.queue.run(self.queue.now + seconds)

    def said(self) -> list[str]:
        return [telegram.topic.rpartition("/")[2] for telegram in self.broker.take_waiting()]


@pytest.fixture
def house() -> House:
    return House()


def test_what_is_retained_reaches_whoever_connects_later(house: House) -> None:
    house.broker.publish_bundle("cam-1", b"bundle")
    house.broker.publish_halt(b"halts")
    house.connect()

    assert Connected() in house.heard
    assert {type(event) for event in house.heard} == {Connected, BundleArrived, HaltArrived}


def test_what_a_device_says_waits_for_the_server_through_a_restart(house: House) -> None:
    house.connect()
    house.link.publish("events", b"x")
    house.wait(1.0)
    house.broker.restart(5.0)
    during = house.broker.take_waiting()
    house.wait(10.0)

    assert during == []
    assert "events" in house.said()


def test_a_restart_ends_every_session_and_all_come_back(house: House) -> None:
    house.connect()
    house.broker.restart(20.0)
    gone = dict(house.broker.sessions)
    house.wait(300.0)

    assert gone == {}
    assert house.link.connected


def test_the_will_of_a_device_that_vanished_is_said_after_its_keepalive(house: House) -> None:
    house.connect()
    house.said()
    house.link.cut()
    house.wait(KEEPALIVE_S - 1)
    early = house.said()
    house.wait(2.0)

    assert (early, house.said()) == ([], ["presence"])


def test_a_device_that_came_back_has_no_will(house: House) -> None:
    house.connect()
    house.link.stop()
    house.connect()
    house.said()
    house.wait(KEEPALIVE_S + 1)

    assert house.said() == []


def test_what_was_not_stored_comes_again(house: House) -> None:
    house.connect()
    came = house.broker.take_waiting()
    house.broker.put_back(came)

    assert house.broker.take_waiting() == came


def test_of_outages_that_overlap_the_last_to_end_is_the_end(house: House) -> None:
    house.broker.restart(30.0)
    house.wait(20.0)
    house.broker.restart(30.0)
    house.broker.restart(0.0)
    house.wait(20.0)
    assert not house.broker.up

    house.wait(20.0)

    assert house.broker.up
