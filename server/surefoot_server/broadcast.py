"""Blobs over MQTT, where only MQTT passes: what several devices lack is sent once, to all of them, at a stated pace.

Promises: a chunk that is asked for while it waits to be sent is sent once, however many ask (`carousel.py` has the
order); the broker gets no more than the rate, and never more than one chunk that it has not taken; a device gets what
it asks for only of blobs that the server has, in the one size of chunk. Refuses to remember who lacks what: a device
that missed a chunk asks again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from surefoot_server.carousel import GATHER_S, Carousel
from surefoot_shared import topics
from surefoot_shared.errors import Invalid, NotFound
from surefoot_shared.messages import ChunkRequest
from surefoot_shared.pack import parse_bitmap

log = logging.getLogger(__name__)
CHUNK_BYTES = 64 * 1024
"""A quarter of the largest packet that the broker lets through, and a fraction of a second on a bad line."""
CHUNKS_LIMIT = 1 << 16
"""Of one blob: 4 GiB."""

Publish = Callable[[str, bytes], bool]
"""Give (topic, payload) to the broker; return once it has it, or False where it is away."""


class Blobs(Protocol):
    """The part of the store that is read."""

    def size(self, sha256: str) -> int: ...
    def read(self, sha256: str, at: int, size_bytes: int) -> bytes: ...


class Broadcast:
    """One thread. `ask` may be called from anywhere."""

    def __init__(self, blobs: Blobs, publish: Publish, rate_bytes_per_s: int, gather_s: float = GATHER_S) -> None:
        """`rate_bytes_per_s` 0 broadcasts nothing."""
        self._blobs, self._publish, self._rate = blobs, publish, rate_bytes_per_s
        self._carousel = Carousel(gather_s)
        self._wake = threading.Condition()
        self._stopping = False
        self._sent_bytes = self._refused = 0
        self._thread = threading.Thread(target=self._run, name="broadcast", daemon=True)

    @property
    def chunk_bytes(self) -> int:
        """What a lease says of it: 0 where nothing is broadcast."""
        return CHUNK_BYTES if self._rate else 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def ask(self, request: ChunkRequest) -> None:
        """Send these chunks soon. What cannot be right is counted and dropped: the device has other ways."""
        try:
            chunks = self._chunks(request)
        except (Invalid, NotFound) as error:
            with self._wake:
                self._refused += 1
            log.warning("chunks_refused device=%s error=%s", request.device, error.message)
            return
        if not chunks:
            return
        with self._wake:
            self._carousel.ask(request.sha256, chunks, time.monotonic())
            self._wake.notify_all()

    def counters(self) -> dict[str, float]:
        with self._wake:
            return {"broadcast_bytes_total": self._sent_bytes, "broadcast_refused_total": self._refused}

    def _chunks(self, request: ChunkRequest) -> tuple[int, ...]:
        if not self._rate or request.chunk_bytes != CHUNK_BYTES:
            raise Invalid("malformed", f"Chunks of {request.chunk_bytes} bytes are not sent.")
        if request.size_bytes != self._blobs.size(request.sha256):
            raise Invalid("malformed", "The blob has another size.")
        count = -(-request.size_bytes // CHUNK_BYTES)
        if count > CHUNKS_LIMIT:
            raise Invalid("too_large", "The blob is too large to be broadcast.")
        return parse_bitmap(request.missing, count)

    def _run(self) -> None:
        free_at = 0.0
        while (due := self._next(free_at)) is not None:
            sha256, chunk = due
            try:
                payload = self._blobs.read(sha256, chunk * CHUNK_BYTES, CHUNK_BYTES)
                sent = self._publish(topics.blob(sha256, chunk), payload)
            except (OSError, NotFound) as error:
                log.error("broadcast_failed sha256=%s error=%s", sha256[:12], error)
                sent = False
            if not sent:  # the broker is away, or the blob: devices ask again
                with self._wake:
                    self._carousel.drop(sha256)
                continue
            free_at = max(free_at, time.monotonic()) + len(payload) / self._rate
            with self._wake:
                self._sent_bytes += len(payload)
                self._carousel.sent(sha256, time.monotonic())

    def _next(self, free_at: float) -> tuple[str, int] | None:
        """Wait for the pace and for something to send; None at the end."""
        with self._wake:
            while not self._stopping:
                now = time.monotonic()
                wait_s = self._carousel.wait_s(now)
                if wait_s is None or max(wait_s, free_at - now) > 0:
                    self._wake.wait(None if wait_s is None else max(wait_s, free_at - now))
                    continue
                return self._carousel.take()
            return None
