"""Clients in step wait for what they asked and say what did not come; with mosquitto and the server's own rights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from surefoot_shared import topics
from surefoot_shared.errors import SurefootError, Unreachable
from surefoot_simulators.fleet import packets
from surefoot_simulators.world import wire_client
from surefoot_simulators.world.wire_client import Client, Clients, _heard
from surefoot_simulators.world.wire_exchange import WireExchange

HELLO = topics.up("cam-1", "hello")


@pytest.fixture
def exchange() -> Iterator[WireExchange]:
    made = WireExchange()
    made.start()
    made.connect("cam-1", b"off")
    made.connect("cam-2", b"off")
    yield made
    made.close()


@pytest.mark.needs("mosquitto")
def test_what_does_not_come_and_what_is_refused_ends_the_run_with_a_sentence(
    exchange: WireExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients, one = exchange._net, exchange._devices["cam-1"]
    monkeypatch.setattr(wire_client, "LIMIT_S", 0.05)
    with pytest.raises(SurefootError, match="there was no message for cam-1") as late:
        clients.wait(lambda: bool(one.came), lambda: "message for cam-1")
    with pytest.raises(SurefootError, match="cam-1: it refused what was asked"):
        clients.publish(one, topics.up("cam-2", "hello"), b"x")

    assert not isinstance(late.value, Unreachable)  # which the server would try again


@pytest.mark.needs("mosquitto")
def test_a_broker_that_dies_is_said_and_not_waited_for(exchange: WireExchange) -> None:
    assert exchange._child is not None
    exchange._child.stop()

    with pytest.raises(SurefootError, match=r"broke off|closed the connection"):
        exchange.say("cam-1", HELLO, b"x", retain=False)


@pytest.mark.needs("mosquitto")
def test_an_answer_to_a_sign_of_life_is_not_taken_for_a_fence(exchange: WireExchange) -> None:
    clients, one = exchange._net, exchange._devices["cam-1"]
    clients._ping(one)
    clients.fence(one)

    assert one.pongs == 2


def test_no_broker_is_said() -> None:
    with pytest.raises(SurefootError, match="cam-1 does not reach it"):
        Clients(("127.0.0.1", 1)).connect("cam-1", wire_client.ssl.create_default_context())


@pytest.mark.parametrize(
    ("kind", "body", "answer", "refused"),
    [
        (packets.CONNACK, b"\x00\x00\x00", (packets.CONNACK, 0), False),
        (packets.CONNACK, b"\x00\x85\x00", (packets.CONNACK, 0), True),
        (packets.SUBACK, b"\x00\x07\x00\x01\x01", (packets.SUBACK, 7), False),
        (packets.SUBACK, b"\x00\x07\x00\x01\x87", (packets.SUBACK, 7), True),
        (packets.PUBACK, b"\x00\x07", (packets.PUBACK, 7), False),
        (packets.PUBACK, b"\x00\x07\x10", (packets.PUBACK, 7), False),
        (packets.PUBACK, b"\x00\x07\x87", (packets.PUBACK, 7), True),
    ],
)
def test_the_reason_of_each_answer_is_read(kind: int, body: bytes, answer: tuple[int, int], refused: bool) -> None:
    client = Client("cam-1", True, connection=None)  # type: ignore[arg-type] -- nothing is sent

    _heard(client, kind << 4, body)

    assert client.answers == {answer}
    assert bool(client.wrong) is refused


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_message_is_acknowledged_at_once_only_by_who_says_so(acknowledges: bool) -> None:
    client = Client("cam-1", acknowledges, connection=None)  # type: ignore[arg-type] -- nothing is sent
    buffer = bytearray(packets.publish("a", b"x", 7, retain=True, five=True))

    ((first, body),) = packets.split(buffer)
    _heard(client, first, body)

    ((retained, telegram),) = client.came
    assert (retained, telegram.topic, telegram.payload, telegram.mid) == (True, "a", b"x", 7)
    assert bytes(client.out) == (packets.puback(7) if acknowledges else b"")
