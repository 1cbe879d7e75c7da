"""Packets there and back, whole or in pieces."""

from __future__ import annotations

import pytest

from surefoot_simulators.fleet import packets


@pytest.mark.parametrize("mid", [0, 7, 65535])
@pytest.mark.parametrize("size", [0, 127, 128, 300, 20_000])
def test_a_message_comes_out_as_it_went_in(size: int, mid: int) -> None:
    buffer = bytearray(packets.publish("a/b", b"x" * size, mid))

    ((first, body),) = packets.split(buffer)

    assert first >> 4 == packets.PUBLISH
    assert packets.published(first, body) == ("a/b", b"x" * size, mid)
    assert buffer == b""


def test_what_is_cut_in_the_middle_waits_for_its_rest() -> None:
    whole = packets.publish("a", b"x" * 200, 1) + packets.puback(9)
    buffer, seen = bytearray(), list[int]()

    for byte in whole:
        buffer.append(byte)
        seen += [first >> 4 for first, _ in packets.split(buffer)]

    assert seen == [packets.PUBLISH, packets.PUBACK]


def test_connecting_says_name_and_will() -> None:
    assert packets.connect("cam", 60) == b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03cam"
    with_will = packets.connect("cam", 60, packets.Will("w", b"off"))
    assert with_will[9] == 0x02 | 0x04 | 0x08 | 0x20
    assert with_will.endswith(b"\x00\x01w\x00\x03off")
    assert packets.connect_5("s", 65535, 60)[8] == 5


def test_subscribing_asks_for_quality_one() -> None:
    assert packets.subscribe(1, "a", "b") == b"\x82\x0a\x00\x01\x00\x01a\x01\x00\x01b\x01"
    assert packets.subscribe(1, "a", five=True) == b"\x82\x07\x00\x01\x00\x00\x01a\x01"


def test_with_mqtt_5_a_session_is_taken_up_only_where_it_is_to_last() -> None:
    clean, lasting = packets.connect_5("cam"), packets.connect_5("cam", session_s=60)

    assert (clean[9], lasting[9]) == (0x02, 0)


def test_with_mqtt_5_will_and_message_have_properties_of_their_own() -> None:
    connect = packets.connect_5("cam", will=packets.Will("w", b"off"))

    assert connect[9] == 0x02 | 0x04 | 0x08 | 0x20
    assert connect.endswith(b"\x00\x03cam\x00\x00\x01w\x00\x03off")
    assert packets.publish("a", b"x", 7, five=True) == b"\x32\x07\x00\x01a\x00\x07\x00x"
