"""The gateway against real brokers and real links: what is lost, what is forged, who is told what."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.properties import Properties

from surefoot_agent.downlink import (
    AckArrived,
    BundleArrived,
    Connected,
    HaltArrived,
    LeaseArrived,
    RequestArrived,
    TrustHintArrived,
)
from surefoot_server import gateway as gateway_module
from surefoot_server.gateway import Gateway, GatewayConfig
from surefoot_server.intake import IntakeLimits
from surefoot_shared.identity import generate_key
from surefoot_shared.messages import Ack, Lease, PresenceMessage, Request, RequestKind, Source, TrustHint
from surefoot_shared.status import Presence
from tests.server.house import BROKERS, WAIT_S, Between, House, until
from tests.server.recorder import event, events_payload, hello, hello_payload

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.slow]


@pytest.fixture(params=BROKERS, ids=[f"{name}-v{protocol}" for name, protocol in BROKERS])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    which, protocol = request.param
    with contextlib.ExitStack() as parts:
        yield House(tmp_path, which, protocol, parts)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as parts:
        yield House(tmp_path, "mosquitto", 5, parts)


def test_hello_and_events_of_a_device_reach_the_store_with_its_presence(house: House) -> None:
    house.gateway()
    cam = house.device("cam-1")

    cam.link.publish("hello", hello_payload(cam.key, hello("cam-1")))
    cam.report(1, 2)

    house.book.wait(lambda: house.book.seqs("cam-1") == [1, 2] and len(house.book.committed) >= 4)
    assert ("cam-1", PresenceMessage(Presence.ONLINE, "instance-1")) in house.book.committed


def test_everything_the_server_says_arrives_as_its_value(house: House) -> None:
    gateway, cam = house.gateway(), house.device("cam-1")
    ack, hint = Ack("stream-1", 3, 4), TrustHint(1, 1, 2)
    lease = Lease("a1", (Source("https://x/", "t"),), 60.0)
    request = Request("r1", RequestKind.LOGS)

    gateway.publish_bundle("cam-1", b"\x00bundle")
    gateway.publish_ack("cam-1", ack)
    gateway.publish_lease("cam-1", lease)
    gateway.request("cam-1", request)
    gateway.publish_halt(b"\x00halt")
    gateway.publish_trust(hint)

    wanted = [
        BundleArrived(b"\x00bundle"),
        AckArrived(ack),
        LeaseArrived(lease),
        RequestArrived(request),
        HaltArrived(b"\x00halt"),
        TrustHintArrived(hint),
    ]
    cam.wait_until(lambda: all(one in cam.events for one in wanted))
    assert not [e for e in cam.events if e not in [*wanted, Connected()]]


def test_a_retained_bundle_reaches_its_device_when_it_comes_and_nobody_else(house: House) -> None:
    gateway = house.gateway()
    gateway.publish_bundle("cam-1", b"bundle of cam-1")
    gateway.publish_bundle("cam-2", b"bundle of cam-2")

    one, two = house.device("cam-1"), house.device("cam-2")

    one.wait(BundleArrived)
    two.wait(BundleArrived)
    gateway.publish_ack("cam-1", Ack("s", 1, 1))
    one.wait(AckArrived)
    assert one.of(BundleArrived) == [BundleArrived(b"bundle of cam-1")]
    assert two.of(BundleArrived) == [BundleArrived(b"bundle of cam-2")]


def test_what_is_published_before_the_connection_goes_out_after_it_the_newest_per_topic(house: House) -> None:
    cam = house.device("cam-1")
    gateway = Gateway(house.gateway_config(), house.book)
    gateway.publish_bundle("cam-1", b"old")
    gateway.publish_bundle("cam-1", b"new")
    gateway.publish_ack("cam-1", Ack("s", 1, 1))

    gateway.start()

    cam.wait(AckArrived)
    cam.wait(BundleArrived)
    gateway.stop()
    assert cam.of(BundleArrived) == [BundleArrived(b"new")]


def test_an_event_that_was_not_committed_is_delivered_again_to_the_next_server(mosquitto: House) -> None:
    house = mosquitto
    house.book.away = True
    first = house.gateway()
    cam = house.device("cam-1")
    cam.link.publish("events", events_payload(cam.key, event("cam-1", 1)))
    house.book.wait(lambda: len(house.book.batches) >= 3)

    first.stop()
    house.book.away = False
    house.gateway()

    house.book.wait(lambda: 1 in house.book.seqs("cam-1"))
    assert set(house.book.seqs("cam-1")) == {1}


def test_a_committed_event_is_not_delivered_again_to_the_next_server(mosquitto: House) -> None:
    house = mosquitto
    first, cam = house.gateway(), house.device("cam-1")
    cam.link.publish("events", events_payload(cam.key, event("cam-1", 1)))
    house.book.wait(lambda: house.book.seqs("cam-1") == [1])
    until(lambda: first.stats().intake.queued == 0)

    first.stop()
    house.gateway()
    cam.link.publish("events", events_payload(cam.key, event("cam-1", 2)))

    house.book.wait(lambda: 2 in house.book.seqs("cam-1"))
    assert house.book.seqs("cam-1") == [1, 2]


def test_no_message_is_lost_while_the_server_itself_says_much(house: House) -> None:
    gateway, cam = house.gateway(), house.device("cam-1")
    said = range(1, 61)
    for seq in said:
        gateway.publish_bundle(f"cam-{seq + 1}", b"its acknowledgement comes between the messages of others")
        cam.link.publish("events", events_payload(cam.key, event("cam-1", seq)))

    house.book.wait(lambda: len(set(house.book.seqs("cam-1"))) == len(said))
    assert set(house.book.seqs("cam-1")) == set(said)


def test_what_devices_say_while_the_server_is_away_is_stored_when_it_returns(house: House) -> None:
    first, cam = house.gateway(), house.device("cam-1")
    first.stop()

    cam.report(1, 2, 3, 4, 5)
    house.acknowledges(house.gateway())

    cam.deliver()
    assert set(house.book.seqs("cam-1")) == {1, 2, 3, 4, 5}


def test_a_server_that_restarts_again_and_again_is_heard_every_time(house: House) -> None:
    cam = house.device("cam-1")

    for seq in range(1, 7):
        gateway = house.gateway()
        house.acknowledges(gateway)
        cam.report(seq)
        cam.deliver()
        gateway.stop()

    assert set(house.book.seqs("cam-1")) == {1, 2, 3, 4, 5, 6}


def test_mosquitto_keeps_for_the_server_what_devices_say_while_it_is_away(mosquitto: House) -> None:
    first, cam = mosquitto.gateway(), mosquitto.device("cam-1")
    first.stop()

    cam.report(1, 2, 3, 4, 5)
    mosquitto.gateway()

    mosquitto.book.wait(lambda: set(mosquitto.book.seqs("cam-1")) == {1, 2, 3, 4, 5})
    assert mosquitto.letters.empty()


def test_a_broker_that_dies_in_the_middle_loses_no_event(house: House) -> None:
    house.acknowledges(house.gateway())
    cam = house.device("cam-1")
    cam.report(*range(1, 21))
    house.kill_broker()
    cam.report(*range(21, 41))
    cam.wait(Connected, count=2)

    cam.deliver()
    assert set(house.book.seqs("cam-1")) == set(range(1, 41))
    assert house.broker.child.restarts >= 1


def test_a_gateway_whose_broker_died_hears_and_speaks_again(house: House) -> None:
    gateway, cam = house.gateway(), house.device("cam-1")

    house.acknowledges(gateway)
    house.kill_broker()
    cam.wait(Connected, count=2)
    cam.report(1)

    cam.deliver()
    assert cam.wait(AckArrived) == AckArrived(Ack("stream-1", 1, 0))


def test_halt_list_and_hint_are_said_again_to_a_broker_that_lost_them(house: House) -> None:
    gateway = house.gateway()
    gateway.publish_halt(b"halt")
    gateway.publish_trust(TrustHint(1, 1, 1))

    if house.which == "mosquitto":
        house.forget_what_the_broker_saved()
    house.kill_broker()
    until(lambda: house.broker.child.restarts >= 1 and gateway.stats().connected)

    late = house.device("cam-late")
    assert late.wait(HaltArrived) == HaltArrived(b"halt")
    assert late.wait(TrustHintArrived) == TrustHintArrived(TrustHint(1, 1, 1))


def test_poison_becomes_a_dead_letter_and_the_devices_next_word_is_heard(house: House) -> None:
    house.gateway()
    cam = house.device("cam-1")

    cam.link.publish("events", b"\xff\x00 poison")
    cam.report(1)

    house.book.wait(lambda: house.book.seqs("cam-1") == [1])
    letter = house.letters.get(timeout=WAIT_S)
    assert (letter.topic, letter.excerpt) == ("surefoot/v1/d/cam-1/up/events", b"\xff\x00 poison")


def test_a_forged_seal_is_dropped_and_reported(house: House) -> None:
    house.gateway()
    cam = house.device("cam-1")

    cam.link.publish("events", events_payload(generate_key(), event("cam-1", 1)))
    cam.link.publish("hello", hello_payload(cam.key, hello("cam-2")))
    cam.report(2)

    house.book.wait(lambda: bool(house.book.seqs("cam-1")))
    assert house.book.seqs("cam-1") == [2]
    assert "not signed" in house.letters.get(timeout=WAIT_S).error
    assert "on the topic of cam-1" in house.letters.get(timeout=WAIT_S).error


def test_a_device_that_dies_is_seen_offline_by_its_last_will(house: House) -> None:
    house.gateway()
    cam = house.device("cam-1")
    online = ("cam-1", PresenceMessage(Presence.ONLINE, "instance-1"))
    offline = ("cam-1", PresenceMessage(Presence.OFFLINE, "instance-1"))
    house.book.wait(lambda: online in house.book.committed)

    cam.cut()

    house.book.wait(lambda: offline in house.book.committed)
    assert house.book.committed.index(online) < house.book.committed.index(offline)


def test_a_store_that_is_slow_shows_in_the_length_of_the_queue_and_loses_nothing(mosquitto: House) -> None:
    house = mosquitto
    house.book.away = True
    gateway = house.gateway(IntakeLimits(queue=50, batch=1, batch_s=0.01))
    cam = house.device("cam-1")

    for seq in range(1, 91):
        while not cam.link.publish("events", events_payload(cam.key, event("cam-1", seq))):
            pass
    until(lambda: gateway.stats().intake.queued >= 40)
    assert gateway.stats().intake.dropped == 0

    house.book.away = False
    house.book.wait(lambda: set(house.book.seqs("cam-1")) == set(range(1, 91)))
    assert gateway.stats().intake.dropped == 0


def takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a reconnect, where what is said again comes on top of what waits from before."""
    asked = gateway_module._properties

    def more(config: GatewayConfig) -> Properties:
        found = asked(config)
        found.ReceiveMaximum = 1000
        return found

    monkeypatch.setattr(gateway_module, "_properties", more)


def test_a_gateway_that_has_no_room_to_read_keeps_its_connection(
    mosquitto: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unread, the broker's answers to pings looked like silence: a server with much to do was cut off from all."""
    house, keepalive_s = mosquitto, 1
    takes_more(monkeypatch)
    house.book.away = True
    gateway = house.gateway(IntakeLimits(queue=20, batch=1, batch_s=0.01), keepalive_s)
    cam = house.device("cam-1")
    for seq in range(1, 61):
        while not cam.link.publish("events", events_payload(cam.key, event("cam-1", seq))):
            pass
    until(lambda: gateway.stats().intake.queued >= 20)

    full_s = time.monotonic()
    until(lambda: time.monotonic() - full_s > 6 * keepalive_s)
    house.book.away = False
    house.book.wait(lambda: len(house.book.seqs("cam-1")) >= 20)

    assert "broker_disconnected" not in caplog.text


def test_a_connection_that_breaks_while_the_queue_is_full_is_closed_and_opened_again(
    mosquitto: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody read, so nobody found out before the next word to the broker; the poll told it without end."""
    house = mosquitto
    between = Between(house.broker.port)
    takes_more(monkeypatch)
    house.book.away = True
    config = replace(house.gateway_config(IntakeLimits(queue=20, batch=1, batch_s=0.01)), port=between.port)
    gateway = house.runs(Gateway(config, house.book, house.letters.put))
    cam = house.device("cam-1")
    cam.report(*range(1, 61))
    until(lambda: gateway.stats().intake.queued >= 20)

    between.reset()

    until(lambda: not gateway.stats().connected)
    assert gateway.stats().intake.queued >= 20
    house.book.away = False
    house.acknowledges(gateway)
    cam.deliver()
    assert set(house.book.seqs("cam-1")) == set(range(1, 61))
    between.close()


def test_a_gateway_whose_broker_never_was_there_waits_for_it_and_stops_at_once_when_told(mosquitto: House) -> None:
    house = mosquitto
    house.broker.stop()
    gateway = Gateway(house.gateway_config(), house.book)

    gateway.start()
    came = gateway.wait_connected(0.3)
    gateway.stop()

    assert not came
    assert not gateway.stats().connected


def test_what_waits_at_the_broker_for_a_device_that_is_one_no_more_is_taken_back(house: House) -> None:
    gateway = house.gateway()
    gateway.publish_bundle("cam-1", b"secret")
    gateway.publish_bundle("cam-2", b"other")

    gateway.forget("cam-1")
    house.device("cam-2").wait(BundleArrived)  # everything before was handed out
    cam = house.device("cam-1")
    gateway.publish_ack("cam-1", Ack("s", 1, 1))
    cam.wait(AckArrived)

    assert cam.of(BundleArrived) == []
