"""The three MQTT packets that nearly all traffic is made of, there and back, for the gateway (docs/adr). Pure.

Everything else a client must say and hear is paho's. Sources: MQTT 5 §2.1, §3.3, §3.4; MQTT 3.1.1 §3.3.
"""

from __future__ import annotations

import struct

from surefoot_server.inbound import Telegram


def puback_packet(mid: int) -> bytes:
    """Two bytes of length mean success, in both versions."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def read_packet(first: int, body: bytes, protocol: int, session: int) -> Telegram:
    """A PUBLISH as it came from the broker. MQTT 5 §3.3; properties are passed over: devices need none."""
    at = 2 + int.from_bytes(body[:2], "big")
    topic, mid, qos = body[2:at].decode(errors="replace"), 0, first >> 1 & 3
    if qos:
        mid, at = int.from_bytes(body[at : at + 2], "big"), at + 2
    if protocol == 5:
        length, shift = 0, 0
        while True:
            byte = body[at]
            length, shift, at = length | (byte & 127) << shift, shift + 7, at + 1
            if not byte & 128:
                break
        at += length
    return Telegram(topic, body[at:], mid, qos, session)


def publish_packet(topic: str, payload: bytes, protocol: int) -> bytes:
    """A PUBLISH at QoS 0. MQTT 5 §3.3: topic, an empty list of properties, payload; 3.1.1 has no properties."""
    name = topic.encode()
    body = struct.pack("!H", len(name)) + name + (b"\0" if protocol == 5 else b"") + payload
    left, length = len(body), bytearray()
    while True:
        left, byte = divmod(left, 128)
        length.append(byte | (0x80 if left else 0))
        if not left:
            return b"\x30" + bytes(length) + body
