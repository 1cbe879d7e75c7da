"""A sender of chunks on a real broker: gathers what is asked for, sends it once, and misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from surefoot_agent import tls
from surefoot_shared import pack, topics, wire
from surefoot_shared.messages import ChunkRequest

GATHER_S = 1.0
"""Half of what the server gathers for."""
Trick = Callable[[int, bytes], list[tuple[int, bytes]]]
"""Given a chunk, what goes out in its place."""


def honest(n: int, chunk: bytes) -> list[tuple[int, bytes]]:
    return [(n, chunk)]


class Broadcaster:
    """`sent` counts the bytes that went to the broker, `questions` what came from devices."""

    def __init__(
        self, host: str, port: int, ca: Path, cert: Path, key: Path, content: Mapping[str, bytes], trick: Trick = honest
    ) -> None:
        self.content, self.trick, self.sent, self.questions = content, trick, 0, 0
        self._wanted: dict[tuple[str, int], set[int]] = {}
        self._lock, self._stop, self._there = threading.Lock(), threading.Event(), threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="svc-broadcaster", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.tls_set_context(tls.context(ca, cert, key))
        self._client.on_connect = lambda client, *_: client.subscribe("surefoot/v1/d/+/up/chunks", 1)
        self._client.on_subscribe = lambda *_: self._there.set()
        self._client.on_message = self._asked
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._there.wait(20)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _asked(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        request = wire.decode(ChunkRequest, bytes(message.payload))
        count = -(-request.size_bytes // request.chunk_bytes)
        with self._lock:
            self.questions += 1
            wanted = self._wanted.setdefault((request.sha256, request.chunk_bytes), set())
            wanted.update(pack.parse_bitmap(request.missing, count))

    def _send(self) -> None:
        while not self._stop.wait(GATHER_S):
            with self._lock:
                wanted, self._wanted = self._wanted, {}
            for (name, size), numbers in wanted.items():
                for n in sorted(numbers):
                    chunk = self.content.get(name, b"")[n * size : (n + 1) * size]
                    for number, payload in self.trick(n, chunk):
                        self._client.publish(topics.blob(name, number), payload, qos=1)
                        self.sent += len(payload)
                        time.sleep(0.0005)
