"""The broker of a world keeps what a real one keeps and loses what a real one loses."""

from __future__ import annotations

import random

import pytest

from surefoot_agent.downlink import BundleArrived, Connected, HaltArrived, LinkEvent
from surefoot_shared import topics
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
        """And stores it."""
        came = self.broker.waiting()
        self.broker.acknowledge(came)
        return [telegram.topic.rpartition("/")[2] for telegram in came]


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
    during = house.broker.waiting()
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
    came = house.broker.waiting()
    again = house.broker.waiting()
    house.broker.acknowledge(again)

    assert len(came) == 1
    assert (again, house.broker.waiting()) == (came, [])


def test_of_outages_that_overlap_the_last_to_end_is_the_end(house: House) -> None:
    house.broker.restart(30.0)
    house.wait(20.0)
    house.broker.restart(30.0)
    house.broker.restart(0.0)
    house.wait(20.0)
    assert not house.broker.up

    house.wait(20.0)

    assert house.broker.up


def test_what_passed_is_the_same_only_where_the_same_arrived_at_the_same_time() -> None:
    one, same, late, other = House(), House(), House(), House()
    for each in (one, same, late, other):
        each.connect()
        each.said()
    late.wait(1.0)
    for each in (one, same, late):
        each.broker.publish_bundle("cam-1", b"signed")
    other.broker.publish_halt(b"signed")

    assert one.broker.passed == same.broker.passed
    assert len({one.broker.passed, late.broker.passed, other.broker.passed}) == 3


def test_what_is_published_during_an_outage_is_there_afterwards(house: House) -> None:
    house.broker.restart(30.0)
    for raw in (b"older", b"newer"):
        house.broker.publish_bundle("cam-1", raw)
    house.wait(31.0)
    house.connect()

    assert [event.raw for event in house.heard if isinstance(event, BundleArrived)] == [b"newer"]


@pytest.mark.parametrize(("stays", "sent"), [(True, [topics.FLEET_HALT]), (False, [])])
def test_who_does_not_stay_until_it_has_subscribed_is_sent_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, stays: bool, sent: list[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(house.link, "deliver", lambda topic, _payload: told.append(topic))
    house.broker.publish_halt(b"halts")
    house.broker.open(house.link)
    if not stays:
        house.broker.restart(0.0)
    house.wait(1.0)

    assert told == sent


def test_a_session_that_is_taken_over_says_its_will_and_a_broker_that_stops_every_will(house: House) -> None:
    house.connect()
    house.link.stop()
    house.said()
    house.connect()
    taken_over = house.said()
    house.broker.restart(1.0)
    house.wait(1.0)

    assert taken_over == ["presence", "presence"]  # the will, and that it is there
    assert house.said() == ["presence", "presence"]  # the will, and what is retained of it
