"""Packets as MQTT writes them."""

from __future__ import annotations

import pytest

from surefoot_server.inbound import Telegram
from surefoot_server.packets import puback_packet, publish_packet, read_packet


def test_a_message_is_acknowledged_in_four_bytes() -> None:
    assert puback_packet(0x0107) == b"\x40\x02\x01\x07"


@pytest.mark.parametrize(("size", "length"), [(10, b"\x12"), (200, b"\xd0\x01"), (20_000, b"\xa8\x9c\x01")])
def test_an_acknowledgements_packet_says_its_length_as_mqtt_does(size: int, length: bytes) -> None:
    packet = publish_packet("topic", b"x" * size, 5)

    assert packet == b"\x30" + length + b"\x00\x05topic\x00" + b"x" * size
    assert len(publish_packet("topic", b"x" * size, 4)) == len(packet) - 1


def test_a_message_is_read_with_and_without_properties() -> None:
    body = b"\x00\x03a/b\x00\x07"

    assert read_packet(0x32, body + b"\x00payload", 5, 3) == Telegram("a/b", b"payload", 7, 1, 3)
    assert read_packet(0x3A, body + b"\x02\x01\x01payload", 5, 3) == Telegram("a/b", b"payload", 7, 1, 3)
    assert read_packet(0x32, body + b"\x80\x01" + b"p" * 128 + b"x", 5, 3) == Telegram("a/b", b"x", 7, 1, 3)
    assert read_packet(0x31, b"\x00\x03a/bpayload", 4, 3) == Telegram("a/b", b"payload", 0, 0, 3)
