"""The frames of the live application, for a shadow that must see the very same: one Unix socket for each stream.

Promises: the live application never waits for a reader: one that is too slow misses frames, and is told how many; a
reader that is there before the live application, or after it went, tries again. Refuses more than one frame under way.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from dataclasses import dataclass, field

import numpy as np

from .scene import HEIGHT, WIDTH, Frame
from .source import Delivery

HEADER = struct.Struct("<qqqdq")
"""Index, true crossings in and out, monotonic time of capture, frames dropped before it."""
FRAME_BYTES = HEADER.size + WIDTH * HEIGHT
AGAIN_S = 0.1


class NoFrame(Exception):
    """The application is to stop."""


@dataclass
class _Reader:
    connection: socket.socket
    pending: memoryview = field(default_factory=lambda: memoryview(b""))
    missed: int = 0


class FrameTap:
    """What the live application offers its frames to. Raises OSError where the socket cannot be made."""

    def __init__(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(2)
        self._listener.setblocking(False)
        self._readers: list[_Reader] = []

    def offer(self, delivery: Delivery) -> None:
        """Give the frame to whoever is ready for it."""
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._readers.append(_Reader(connection))
        for reader in list(self._readers):
            try:
                self._give(reader, delivery)
            except OSError:
                reader.connection.close()
                self._readers.remove(reader)

    def close(self) -> None:
        for reader in self._readers:
            reader.connection.close()
        self._listener.close()

    def _give(self, reader: _Reader, delivery: Delivery) -> None:
        _push(reader)
        reader.missed += delivery.dropped
        if reader.pending:
            reader.missed += 1
            return
        frame = delivery.frame
        head = HEADER.pack(frame.index, frame.crossed_in, frame.crossed_out, delivery.captured_at_s, reader.missed)
        reader.pending, reader.missed = memoryview(head + frame.pixels.tobytes()), 0
        _push(reader)


class TappedSource:
    """A source whose frames are offered to a shadow too."""

    def __init__(self, source: object, tap: FrameTap) -> None:
        self._source, self._tap = source, tap

    def read(self) -> Delivery:
        delivery: Delivery = self._source.read()  # type: ignore[attr-defined]
        self._tap.offer(delivery)
        return delivery


class SharedSource:
    """The frames of the live application, as a shadow reads them."""

    def __init__(self, path: str, stop: threading.Event) -> None:
        self._path, self._stop = path, stop
        self._connection: socket.socket | None = None

    def read(self) -> Delivery:
        """Return the next frame; raises NoFrame once the application is to stop."""
        while not self._stop.is_set():
            try:
                return self._next()
            except OSError:
                self.close()
                self._stop.wait(AGAIN_S)
        raise NoFrame

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _next(self) -> Delivery:
        if self._connection is None:
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._connection.settimeout(1.0)
            self._connection.connect(self._path)
        raw = bytearray()
        while len(raw) < FRAME_BYTES:
            part = self._connection.recv(FRAME_BYTES - len(raw))
            if not part:
                raise ConnectionResetError("the live application closed the line")
            raw += part
        index, crossed_in, crossed_out, captured_at_s, dropped = HEADER.unpack_from(raw)
        pixels = np.frombuffer(bytes(raw[HEADER.size :]), np.uint8).reshape(HEIGHT, WIDTH)
        return Delivery(Frame(index, pixels, crossed_in, crossed_out), captured_at_s, dropped)


def _push(reader: _Reader) -> None:
    with contextlib.suppress(BlockingIOError):
        while reader.pending:
            reader.pending = reader.pending[reader.connection.send(reader.pending) :]
