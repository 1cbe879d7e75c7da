"""As much of MQTT 3.1.1 as a simulated device speaks: bytes there and back. Pure.

Promises: what is cut in the middle waits for its rest. Refuses nothing: the broker is real and judges the packets.
Source: MQTT 3.1.1 §2 and §3; MQTT 5, as server and agents speak it, where a function is called so or `five`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
PING = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


@dataclass(frozen=True)
class Will:
    topic: str
    payload: bytes


def connect(client_id: str, keepalive_s: int = 60, will: Will | None = None) -> bytes:
    """A clean session, with a retained last will of QoS 1 where one is given."""
    body = _text("MQTT") + bytes([4, 0x02 | _will_flags(will)]) + keepalive_s.to_bytes(2, "big") + _text(client_id)
    if will is not None:
        body += _text(will.topic) + len(will.payload).to_bytes(2, "big") + will.payload
    return _packet(0x10, body)


def connect_5(
    client_id: str, receive_maximum: int = 65535, session_s: int = 0, keepalive_s: int = 60, will: Will | None = None
) -> bytes:
    """MQTT 5, taking up the session of that name where it is to last so long; else it begins clean."""
    properties = b"\x11" + session_s.to_bytes(4, "big") + b"\x21" + receive_maximum.to_bytes(2, "big")
    flags = (0 if session_s else 0x02) | _will_flags(will)
    body = _text("MQTT") + bytes([5, flags]) + keepalive_s.to_bytes(2, "big") + bytes([len(properties)]) + properties
    body += _text(client_id)
    if will is not None:
        body += b"\x00" + _text(will.topic) + len(will.payload).to_bytes(2, "big") + will.payload
    return _packet(0x10, body)


def subscribe(mid: int, *topics: str, five: bool = False) -> bytes:
    body = mid.to_bytes(2, "big") + (b"\x00" if five else b"")
    return _packet(0x82, body + b"".join(_text(topic) + b"\x01" for topic in topics))


def publish(topic: str, payload: bytes, mid: int = 0, *, retain: bool = False, five: bool = False) -> bytes:
    """QoS 1 with a message id, QoS 0 without."""
    head = _text(topic) + (mid.to_bytes(2, "big") if mid else b"") + (b"\x00" if five else b"")
    return _packet(0x30 | (0x02 if mid else 0) | int(retain), head + payload)


def puback(mid: int) -> bytes:
    return b"\x40\x02" + mid.to_bytes(2, "big")


def split(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take every whole packet from the front of the buffer: (first byte, body)."""
    at, size = 0, len(buffer)
    while at + 2 <= size:
        length, shift, head = 0, 0, at + 1
        while head < size:
            byte = buffer[head]
            length |= (byte & 127) << shift
            head, shift = head + 1, shift + 7
            if not byte & 128:
                break
        else:
            break
        if head + length > size:
            break
        first = buffer[at]
        body = bytes(buffer[head : head + length])
        at = head + length
        yield first, body
    del buffer[:at]


def published(first: int, body: bytes) -> tuple[str, bytes, int]:
    """Topic, payload and message id (0 at QoS 0) of a PUBLISH of MQTT 3.1.1."""
    end = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:end].decode()
    if first & 0x06:
        return topic, body[end + 2 :], int.from_bytes(body[end : end + 2], "big")
    return topic, body[end:], 0


def _will_flags(will: Will | None) -> int:
    return 0x04 | 0x08 | 0x20 if will else 0


def _packet(first: int, body: bytes) -> bytes:
    left, length = len(body), bytearray()
    while True:
        left, byte = divmod(left, 128)
        length.append(byte | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(length) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw
