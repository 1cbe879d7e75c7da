"""The device's connection against real brokers: it comes back, says why it went, and believes certificates only."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent.downlink import AckArrived, BundleArrived, Connected, Disconnected, MessageRefused
from surefoot_agent.link import Backoff, QuickDrops
from surefoot_server.broker.start import start_broker
from surefoot_server.pki.ca import create_ca
from surefoot_shared import topics
from surefoot_shared.errors import Unreachable
from surefoot_shared.messages import Ack, PresenceMessage
from surefoot_shared.status import Presence
from tests.server.house import BROKERS, Device, House, until
from tests.server.recorder import event, events_payload

BROKER = [pytest.mark.needs("mosquitto"), pytest.mark.slow]
SLOW_TO_RETURN = Backoff(base_s=60, cap_s=60, conflict_s=60)


def with_broker(test: Callable[..., None]) -> Callable[..., None]:
    for mark in BROKER:
        test = mark(test)
    return test


@pytest.fixture(
    params=[pytest.param(b, marks=BROKER, id=f"{b[0]}-v{b[1]}") for b in BROKERS],
)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    which, protocol = request.param
    with contextlib.ExitStack() as parts:
        yield House(tmp_path, which, protocol, parts)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as parts:
        yield House(tmp_path, "mosquitto", 5, parts)


def test_a_link_returns_by_itself_after_its_broker_was_killed(house: House) -> None:
    cam = house.device("cam-1")

    house.kill_broker()

    cam.wait(Connected, count=2)
    lost = cam.of(Disconnected)[0]
    assert isinstance(lost, Disconnected)
    assert lost.reason == "unreachable"


def test_what_is_published_while_there_is_no_connection_is_not_taken(house: House) -> None:
    key, identity = house.identity("cam-1")
    cam = Device("cam-1", key, identity, SLOW_TO_RETURN)
    assert not cam.link.publish("events", b"too early")
    house.run(cam)
    cam.wait(Connected)
    assert cam.link.publish("events", b"now")

    cam.cut()

    cam.wait(Disconnected)
    assert not cam.link.publish("events", b"too late")


def test_two_agents_with_one_identity_are_told_that_they_are_two(house: House) -> None:
    key, identity = house.identity("cam-1")
    first, second = Device("cam-1", key, identity), Device("cam-1", key, identity)

    house.run(first)
    first.wait(Connected)
    house.run(second)

    def told(cam: Device) -> bool:
        return any(isinstance(e, Disconnected) and e.reason == "identity_conflict" for e in cam.events)

    until(lambda: told(first) or told(second))
    assert told(first) or told(second)


def test_a_broker_that_dies_again_and_again_is_no_twin(house: House) -> None:
    cam = house.device("cam-1")

    for times in range(2, 5):
        house.kill_broker()
        cam.wait(Connected, count=times)

    assert {e.reason for e in cam.of(Disconnected) if isinstance(e, Disconnected)} == {"unreachable"}


def test_a_link_that_is_cut_once_returns_and_is_no_twin(house: House) -> None:
    cam = house.device("cam-1")

    cam.cut()

    cam.wait(Connected, count=2)
    assert [e.reason for e in cam.of(Disconnected) if isinstance(e, Disconnected)] == ["unreachable"]


def test_a_malformed_message_is_reported_and_the_next_one_arrives(house: House) -> None:
    gateway, cam = house.gateway(), house.device("cam-1")

    gateway._publish(topics.down("cam-1", "ack"), b"\xff no ack")
    gateway._publish(topics.down("cam-1", "lease"), b"{}")
    gateway.publish_ack("cam-1", Ack("s", 1, 2))

    assert cam.wait(AckArrived) == AckArrived(Ack("s", 1, 2))
    until(lambda: len(cam.of(MessageRefused)) == 2)
    refused = [e.topic for e in cam.of(MessageRefused) if isinstance(e, MessageRefused)]
    assert refused == [topics.down("cam-1", "ack"), topics.down("cam-1", "lease")]


def test_a_link_that_stops_says_offline_and_stays_away(house: House) -> None:
    house.gateway()
    cam = house.device("cam-1")
    online = ("cam-1", PresenceMessage(Presence.ONLINE, "instance-1"))
    house.book.wait(lambda: online in house.book.committed)

    cam.link.stop()

    offline = ("cam-1", PresenceMessage(Presence.OFFLINE, "instance-1"))
    house.book.wait(lambda: offline in house.book.committed)
    assert not cam.link.publish("events", b"after the end")


def test_presence_is_kept_by_the_broker_for_a_server_that_comes_later(house: House) -> None:
    house.device("cam-1")
    online = ("cam-1", PresenceMessage(Presence.ONLINE, "instance-1"))

    house.gateway()

    house.book.wait(lambda: online in house.book.committed)
    assert online in house.book.committed


@with_broker
def test_a_broker_of_another_fleet_is_not_trusted(mosquitto: House) -> None:
    key, identity = mosquitto.identity("cam-1")
    foreign = mosquitto.folder / "foreign"
    create_ca(foreign)
    cam = Device("cam-1", key, dataclasses.replace(identity, ca_file=foreign / "ca.pem"), SLOW_TO_RETURN)

    mosquitto.run(cam)

    refused = cam.wait(Disconnected)
    assert isinstance(refused, Disconnected)
    assert "CERTIFICATE_VERIFY_FAILED" in refused.message
    assert not cam.of(Connected)


@with_broker
def test_a_broker_whose_certificate_names_another_host_is_not_trusted(mosquitto: House) -> None:
    key, identity = mosquitto.identity("cam-1")
    elsewhere = start_broker(mosquitto.folder / "elsewhere", "127.0.0.2", 0, mosquitto.pki, prefer="mosquitto")
    lured = dataclasses.replace(identity, mqtt_host="127.0.0.2", mqtt_port=elsewhere.port)
    cam = Device("cam-1", key, lured, SLOW_TO_RETURN)

    mosquitto.run(cam)
    refused = cam.wait(Disconnected)
    elsewhere.stop()

    assert isinstance(refused, Disconnected)
    assert "127.0.0.2" in refused.message
    assert not cam.of(Connected)


def test_a_device_whose_certificate_another_fleet_issued_gets_nothing(house: House) -> None:
    foreign = create_ca(house.folder / "foreign")
    gateway = house.gateway()
    gateway.publish_bundle("cam-1", b"secret")
    cam = Device("cam-1", *house.identity("cam-1", foreign))

    house.run(cam)

    cam.wait(Disconnected, count=2)
    assert not cam.of(Connected)
    assert not cam.of(BundleArrived)


@with_broker
def test_an_unreadable_key_is_reported_and_does_not_end_the_link(mosquitto: House) -> None:
    key, identity = mosquitto.identity("cam-1")
    good = identity.key_file.read_bytes()
    identity.key_file.write_bytes(b"rubbish")
    cam = Device("cam-1", key, identity)
    mosquitto.run(cam)
    cam.wait(Disconnected)

    identity.key_file.write_bytes(good)

    cam.wait(Connected)
    assert cam.link.publish("events", events_payload(key, event("cam-1", 1)))


@with_broker
def test_a_flood_beyond_what_may_wait_is_left_to_the_outbox(mosquitto: House) -> None:
    cam = mosquitto.device("cam-1")

    taken = [cam.link.publish("telemetry", b"x" * 1000) for _ in range(2000)]

    assert True in taken
    assert False in taken


def test_the_delay_is_anything_from_nothing_to_a_ceiling_that_doubles_up_to_its_cap() -> None:
    backoff = Backoff(base_s=1.0, cap_s=60.0, conflict_s=600.0)

    ceilings = [backoff.delay_s(failures, conflict=False, rand=1.0) for failures in range(9)]

    assert ceilings == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert backoff.delay_s(5, conflict=False, rand=0.0) == 0.0
    assert backoff.delay_s(10_000, conflict=False, rand=1.0) == 60.0


def test_two_thousand_links_that_lost_their_broker_do_not_return_together() -> None:
    backoff, dice = Backoff(), random.Random(1)

    returns = sorted(backoff.delay_s(6, conflict=False, rand=dice.random()) for _ in range(2000))

    busiest_second = max(sum(1 for r in returns if s <= r < s + 1) for s in range(64))
    assert busiest_second < 100


def test_twins_wait_longer_than_anybody() -> None:
    assert Backoff().delay_s(0, conflict=True, rand=1.0) > Backoff().delay_s(100, conflict=False, rand=1.0)


def test_another_certificate_of_the_same_device_is_used_at_once_and_named(house: House) -> None:
    cam = house.device("cam-1")
    _, renewed = house.identity("cam-1")
    certificate = dataclasses.replace(renewed, cert_file=renewed.cert_file.rename(renewed.cert_file.with_name("2.crt")))

    cam.link.use(certificate)

    cam.wait(Connected, count=2)
    assert [event.pair for event in cam.of(Connected) if isinstance(event, Connected)] == ["crt", "2"]


def test_five_quick_drops_in_a_row_are_a_twin_and_three_restarts_of_the_server_are_none() -> None:
    drops = QuickDrops()

    assert [drops.ended(True, 1.0, 3.0 * n) for n in range(5)] == [False, False, False, False, True]


def test_a_refused_connection_in_between_or_slow_drops_are_no_twin() -> None:
    refused, slow = QuickDrops(), QuickDrops()

    assert not any(refused.ended(n != 3, 1.0, 2.0 * n) for n in range(7))
    assert not any(slow.ended(True, 5.0, 9.0 * n) for n in range(20))


def test_a_round_trip_is_acknowledged_and_changes_nothing(house: House) -> None:
    cam = house.device("cam-1")

    assert cam.link.round_trip(10.0) < 10.0
    assert cam.of(Disconnected) == []


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_broker_that_is_stopped_acknowledges_nothing(mosquitto: House) -> None:
    cam = mosquitto.device("cam-1")
    pid = mosquitto.broker.child.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable) as caught:
            cam.link.round_trip(0.3)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert caught.value.kind == "too_slow"
