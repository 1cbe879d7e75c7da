"""A TLS or plain socket that reads and writes in large pieces, and shows whole MQTT packets before anybody takes them.

Promises: `fill` reads what is there; `published` gives the next packet where it is a whole message, and everything else
is left for `recv`, one whole packet at a time and never a message: paho, asked to read, goes on to the packets behind,
and a message that it took itself would reach nobody and stay unacknowledged. `send` takes everything and `flush` writes
it, as far as the other side takes it. Only the thread that reads also writes. Why: a packet costs paho four reads and
its acknowledgement one write; measured, these calls and the search for properties that nobody sends were two thirds of
what receiving cost.
Source: MQTT 5 §2.1 for the length.
"""

from __future__ import annotations

import contextlib
import ssl
from socket import socket

READ_BYTES = 65536
FILL_BYTES = 1 << 20
"""Read ahead of the one who takes packets; beyond it the rest waits in the network."""
PUBLISH = 0x30


class BufferedSocket:
    """What paho calls of a socket, and what the gateway needs beside it; everything else is not there on purpose."""

    def __init__(self, inner: socket) -> None:
        self._inner = inner
        self._read, self._at = bytearray(), 0
        self._out = bytearray()
        self._ended = self._begun = False
        self._lent_to = 0
        """Where the packet ends that the client reads."""

    def fill(self) -> None:
        """Read what is there, up to FILL_BYTES; raises OSError where the connection is broken."""
        del self._read[: self._at]
        self._lent_to, self._at, self._begun = max(0, self._lent_to - self._at), 0, True
        try:
            while len(self._read) < FILL_BYTES and not self._ended:
                piece = self._inner.recv(READ_BYTES)
                self._ended = not piece
                self._read += piece
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return

    def published(self) -> tuple[int, bytes] | None:
        """Take the next packet where it is whole and a PUBLISH: its first byte and its body."""
        found = self._front()
        if found is None or self._read[self._at] & 0xF0 != PUBLISH:
            return None
        first, (start, end) = self._read[self._at], found
        self._at = end
        return first, bytes(self._read[start:end])

    def for_others(self) -> bool:
        """Whether a packet that is no PUBLISH, or the end of the connection, is there for `recv`."""
        found = self._front()
        return self._ended if found is None else self._read[self._at] & 0xF0 != PUBLISH

    def recv(self, size: int) -> bytes:
        """As a socket's; once `fill` has begun, of whole packets that are no message. Else there is nothing to read."""
        if not self._begun:
            return self._inner.recv(size)
        if self._at >= self._lent_to:
            if not self.for_others():
                raise BlockingIOError
            if (found := self._front()) is None:
                return b""
            self._lent_to = found[1]
        piece = bytes(self._read[self._at : min(self._at + size, self._lent_to)])
        self._at += len(piece)
        return piece

    def send(self, data: bytes | bytearray) -> int:
        self._out += data
        return len(data)

    def flush(self) -> None:
        """Write what waits; raises OSError where the connection is broken."""
        try:
            while self._out:
                del self._out[: self._inner.send(self._out)]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return

    def unsent(self) -> bool:
        return bool(self._out)

    def full(self) -> bool:
        """Whether more is read than `fill` reads ahead: the rest of TLS's own buffer would be overlooked by a poll."""
        return len(self._read) - self._at >= FILL_BYTES

    def fileno(self) -> int:
        return self._inner.fileno()

    def setblocking(self, flag: bool) -> None:
        self._inner.setblocking(flag)

    def close(self) -> None:
        """Write what can still be written, a goodbye among it, and close."""
        with contextlib.suppress(OSError):
            self.flush()
        self._inner.close()

    def _front(self) -> tuple[int, int] | None:
        """Where the body of the next packet begins and ends, None where it is not whole."""
        length, shift, head, size = 0, 0, self._at + 1, len(self._read)
        while head < size:
            byte = self._read[head]
            length |= (byte & 127) << shift
            head, shift = head + 1, shift + 7
            if not byte & 128:
                return (head, head + length) if head + length <= size else None
        return None
