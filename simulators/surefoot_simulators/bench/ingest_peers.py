"""What else can receive from the same broker: paho in its own thread, and a bare socket. Both store nothing.

Promises: each takes up the session of the server's name, receives `count` messages at QoS 1 over the same TLS, and
acknowledges every one; the seconds are from connecting to the last one.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from surefoot_simulators.fleet import packets

RECEIVE_MAXIMUM = 65535
SESSION_S = 3600
LIMIT_S = 120.0
QUIET_S = 1.0


def paho(host: str, port: int, name: str, context: ssl.SSLContext, count: int) -> float:
    """A subscriber as its documentation shows it: `loop_start` and a callback."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set_context(context)
    client.tls_insecure_set(True)
    got, done = 0, threading.Event()

    def take(_client: mqtt.Client, _userdata: object, _message: mqtt.MQTTMessage) -> None:
        nonlocal got
        got += 1
        if got >= count:
            done.set()

    client.on_message = take
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval, properties.ReceiveMaximum = SESSION_S, RECEIVE_MAXIMUM
    began = time.perf_counter()
    client.connect(host, port, clean_start=False, properties=properties)
    client.loop_start()
    if not done.wait(LIMIT_S):
        raise TimeoutError(f"paho received {got} of {count} messages")
    took_s = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return took_s


def raw(host: str, port: int, name: str, context: ssl.SSLContext, count: int) -> float:
    """A loop over one socket that splits packets and acknowledges what one read brought with one write."""
    got, buffer = 0, bytearray()
    began = time.perf_counter()
    with socket.create_connection((host, port), timeout=LIMIT_S) as plain:
        connection = context.wrap_socket(plain)
        connection.sendall(packets.connect_5(name, RECEIVE_MAXIMUM, SESSION_S))
        while got < count:
            piece = connection.recv(65536)
            if not piece:
                raise TimeoutError(f"the broker closed after {got} of {count} messages")
            buffer += piece
            out = bytearray()
            for first, body in packets.split(buffer):
                if first >> 4 == packets.PUBLISH:
                    end = 2 + int.from_bytes(body[:2], "big")
                    out += b"\x40\x02" + body[end : end + 2]
                    got += 1
            if out:
                connection.sendall(out)
        took_s = time.perf_counter() - began
        connection.sendall(packets.DISCONNECT)
    return took_s


def clear(host: str, port: int, name: str, context: ssl.SSLContext) -> None:
    """Take what the one before left unacknowledged: it would count for the next as well."""
    with socket.create_connection((host, port), timeout=QUIET_S) as plain:
        connection = context.wrap_socket(plain)
        connection.sendall(packets.connect_5(name, RECEIVE_MAXIMUM, SESSION_S))
        buffer = bytearray()
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                buffer += piece
                for first, body in packets.split(buffer):
                    if first >> 4 == packets.PUBLISH:
                        end = 2 + int.from_bytes(body[:2], "big")
                        connection.sendall(b"\x40\x02" + body[end : end + 2])
        connection.sendall(packets.DISCONNECT)


def prepare(host: str, port: int, name: str, context: ssl.SSLContext, topic: str) -> None:
    """Leave a session with a subscription behind, so that the broker keeps what is published from now on."""
    with socket.create_connection((host, port), timeout=30) as plain:
        connection = context.wrap_socket(plain)
        connection.sendall(packets.connect_5(name, RECEIVE_MAXIMUM, SESSION_S))
        connection.sendall(packets.subscribe(1, topic, five=True))
        buffer = bytearray()
        while not any(first >> 4 == packets.SUBACK for first, _ in packets.split(buffer)):
            buffer += connection.recv(4096)
        connection.sendall(packets.DISCONNECT)
