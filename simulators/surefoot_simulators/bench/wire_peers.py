"""Bare paho clients in one process: what a library does of the same, without anything of Surefoot's.

Promises: each has a TLS connection with the certificate of its device, and is driven by one loop over all of them
(`loop_read`, `loop_write`, `loop_misc`), since a thread a client ends at some hundreds. It subscribes to nothing.
"""

from __future__ import annotations

import selectors
import ssl
import time
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

CONNECTING = 50
"""As many handshakes at a time as the simulated fleet makes."""
KEEPALIVE_S = 300


def connect(identities: Path, ca_file: Path, count: int, port: int, limit_s: float) -> float:
    """Connect that many clients and return the seconds; raises TimeoutError where not all of them get through."""
    names = [path.stem for path in sorted(identities.glob("*.crt"))[:count]]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    selector = selectors.DefaultSelector()
    clients: list[mqtt.Client] = []
    began_s, opened = time.monotonic(), 0
    while opened < len(names) or not all(client.is_connected() for client in clients[-CONNECTING:]):
        waiting = sum(1 for client in clients[-CONNECTING:] if not client.is_connected())
        if opened < len(names) and waiting < CONNECTING:
            context.load_cert_chain(identities / f"{names[opened]}.crt", identities / "device.key")
            clients.append(_open(names[opened], context, port, selector))
            opened += 1
        _turn(selector, 0.0 if opened < len(names) else 0.05)
        if time.monotonic() - began_s > limit_s:
            raise TimeoutError(f"{len(names) - opened} bare clients were not opened within {limit_s:.0f} s")
    took_s = time.monotonic() - began_s
    lost = [client for client in clients if not client.is_connected()]
    if len(clients) < count or lost:
        raise TimeoutError(f"{count - len(clients) + len(lost)} of {count} bare clients are not connected")
    return took_s


def _open(name: str, context: ssl.SSLContext, port: int, selector: selectors.BaseSelector) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.tls_set_context(context)
    client.connect("localhost", port, KEEPALIVE_S)
    connection = client.socket()
    assert connection is not None, "paho has a connection once connect returned"
    selector.register(connection, selectors.EVENT_READ, client)
    client.loop_write()
    return client


def _turn(selector: selectors.BaseSelector, wait_s: float) -> None:
    for key, _ in selector.select(wait_s):
        client: mqtt.Client = key.data
        client.loop_read()
        if client.want_write():
            client.loop_write()
