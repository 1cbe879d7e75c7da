"""One behaviour, twice: the broker in memory and mosquitto keep, say and lose the same messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from surefoot_shared import topics
from surefoot_simulators.world.exchange import Delivered, Exchange, MemoryExchange
from surefoot_simulators.world.wire_exchange import WireExchange

HELLO, PRESENCE = topics.up("cam-1", "hello"), topics.up("cam-1", "presence")
BUNDLE, ACK = topics.down("cam-1", "bundle"), topics.down("cam-1", "ack")


@pytest.fixture(params=["memory", pytest.param("wire", marks=pytest.mark.needs("mosquitto"))])
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    made: Exchange = WireExchange() if request.param == "wire" else MemoryExchange()
    made.start()
    yield made
    made.close()


def join(exchange: Exchange, *names: str) -> None:
    for name in names:
        exchange.connect(name, b"off")
        exchange.subscribe(name)


def said(exchange: Exchange) -> list[tuple[str, bytes]]:
    """And acknowledges it."""
    came = [(telegram.topic, telegram.payload) for telegram in exchange.heard()]
    exchange.acknowledge(len(came))
    return came


def test_what_a_device_says_is_there_until_it_is_acknowledged(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.say("cam-1", HELLO, b"1", retain=False)
    exchange.say("cam-1", HELLO, b"\x00\xff", retain=False)
    exchange.acknowledge(1)

    assert said(exchange) == [(HELLO, b"\x00\xff")]
    assert said(exchange) == []


def test_what_is_for_one_reaches_that_one_and_what_is_for_all_everybody(exchange: Exchange) -> None:
    join(exchange, "cam-2", "cam-1")

    assert exchange.publish(ACK, b"a", retain=False) == [Delivered("cam-1", ACK, b"a")]
    assert [each.device for each in exchange.publish(topics.FLEET_HALT, b"h", retain=True)] == ["cam-1", "cam-2"]


def test_who_subscribes_later_is_sent_what_is_retained_and_nothing_else(exchange: Exchange) -> None:
    for topic in (BUNDLE, topics.down("cam-2", "bundle"), topics.FLEET_TRUST, topics.FLEET_HALT):
        exchange.publish(topic, topic.encode(), retain=True)
    exchange.publish(ACK, b"a", retain=False)
    exchange.connect("cam-1", b"off")

    told = exchange.subscribe("cam-1")

    assert [each.topic for each in told] == [topics.FLEET_HALT, topics.FLEET_TRUST, BUNDLE]
    assert {each.payload for each in told} == {each.topic.encode() for each in told}


def test_who_has_not_subscribed_is_sent_nothing(exchange: Exchange) -> None:
    exchange.connect("cam-1", b"off")

    assert exchange.publish(BUNDLE, b"b", retain=True) == []


def test_an_empty_bundle_clears_what_is_retained(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.publish(BUNDLE, b"b", retain=True)

    assert exchange.publish(BUNDLE, b"", retain=True) == [Delivered("cam-1", BUNDLE, b"")]
    assert exchange.subscribe("cam-1") == []


def test_a_connection_that_breaks_off_says_its_will(exchange: Exchange) -> None:
    join(exchange, "cam-1")

    exchange.break_off("cam-1")

    assert said(exchange) == [(PRESENCE, b"off")]
    assert exchange.publish(ACK, b"a", retain=False) == []


def test_who_comes_again_takes_the_session_over(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.connect("cam-1", b"off again")

    assert said(exchange) == [(PRESENCE, b"off")]
    assert exchange.publish(ACK, b"a", retain=False) == []


def test_a_restart_keeps_what_is_not_acknowledged_and_what_is_retained(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.publish(BUNDLE, b"b", retain=True)
    exchange.say("cam-1", HELLO, b"1", retain=False)
    exchange.say("cam-1", HELLO, b"2", retain=False)
    exchange.acknowledge(1)
    exchange.stop()
    exchange.start()

    came = said(exchange)
    exchange.connect("cam-1", b"off")
    assert came[:2] == [(HELLO, b"2"), (PRESENCE, b"off")]
    assert exchange.subscribe("cam-1") == [Delivered("cam-1", BUNDLE, b"b")]


def test_as_the_broker_ends_every_will_is_said_in_the_order_of_the_sessions(exchange: Exchange) -> None:
    join(exchange, "cam-2", "cam-3", "cam-1")
    exchange.break_off("cam-3")
    join(exchange, "cam-3")
    said(exchange)
    exchange.stop()
    exchange.start()

    came = [topics.parse_up(topic)[0] for topic, _ in said(exchange)]
    assert came == ["cam-2", "cam-1", "cam-3", "cam-1", "cam-2", "cam-3"]  # the wills, then what is retained


def test_a_server_that_comes_back_hears_what_it_missed_and_then_who_is_there(exchange: Exchange) -> None:
    join(exchange, "cam-1", "cam-2")
    exchange.say("cam-2", topics.up("cam-2", "presence"), b"on", retain=True)
    exchange.say("cam-1", PRESENCE, b"on", retain=True)
    exchange.acknowledge(1)
    exchange.server(here=False)
    exchange.say("cam-1", HELLO, b"1", retain=False)
    exchange.break_off("cam-2")
    exchange.server(here=True)

    other = topics.up("cam-2", "presence")
    assert said(exchange) == [(PRESENCE, b"on"), (HELLO, b"1"), (other, b"off"), (PRESENCE, b"on"), (other, b"off")]


def test_a_broker_that_restarts_without_the_server_keeps_everything_for_it(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.say("cam-1", HELLO, b"1", retain=False)
    exchange.server(here=False)
    exchange.stop()
    exchange.start()
    join(exchange, "cam-1")
    exchange.say("cam-1", HELLO, b"2", retain=False)
    exchange.server(here=True)

    assert said(exchange) == [(HELLO, b"1"), (PRESENCE, b"off"), (HELLO, b"2"), (PRESENCE, b"off")]


def test_nothing_is_acknowledged_while_there_is_no_broker(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.say("cam-1", HELLO, b"1", retain=False)
    exchange.stop()
    exchange.acknowledge(0)
    exchange.start()

    assert said(exchange)[0] == (HELLO, b"1")


def test_who_speaks_in_the_place_of_a_server_that_is_away_takes_nothing_from_it(exchange: Exchange) -> None:
    join(exchange, "cam-1")
    exchange.server(here=False)
    exchange.say("cam-1", HELLO, b"1", retain=False)

    assert exchange.publish(BUNDLE, b"forged", retain=True) == [Delivered("cam-1", BUNDLE, b"forged")]

    exchange.server(here=True)
    assert said(exchange) == [(HELLO, b"1")]
