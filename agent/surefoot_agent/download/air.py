"""Objects in chunks over MQTT, where only MQTT passes: what one device asks for, every device that lacks it hears.

Promises: what arrived is kept in any order and noted in the spool, so that only missing chunks are asked for again,
also after a death; chunks that come twice, of a wrong size or of nobody's wish are dropped; memory is a few chunks.
The whole is checked by its own hash before it is used. Gives up (Unreachable) where nothing new comes for long.
Refuses to know MQTT: `attach` is given the link, which listens and publishes.
"""

from __future__ import annotations

import logging
import queue
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from surefoot_agent.download.spool import SYNC_BYTES, Held
from surefoot_shared import pack, wire
from surefoot_shared.errors import InstallFailed, Invalid, Unreachable
from surefoot_shared.messages import ChunkRequest

log = logging.getLogger(__name__)
CHUNK_LIMIT_BYTES = 256 * 1024
COUNT_LIMIT = 65_536
WAITING = 32
"""Chunks that may wait for the disk; what comes then is dropped, and asked for again."""
SILENCE_S = 10.0
ROUNDS = 6
"""Questions in a row after which nobody sent anything new: a minute and more."""
LOOK_S = 0.1
Take = Callable[[int, bytes], None]


@dataclass(frozen=True)
class Note:
    """Which chunks of an object are here, kept beside it; `have` is a bitmap."""

    chunk_bytes: int
    count: int
    have: str
    v: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.chunk_bytes <= CHUNK_LIMIT_BYTES or not 0 <= self.count <= COUNT_LIMIT:
            raise ValueError("a number of a note is out of range")


class Ether(Protocol):
    """What hears chunks and carries questions; the link."""

    def listen(self, sha256: str, take: Take) -> None:
        """Hand every chunk of the blob to `take`, from any thread, until `deafen`."""

    def deafen(self, sha256: str) -> None: ...
    def publish(self, what: str, payload: bytes) -> bool: ...


class Air:
    """For one thread at a time."""

    def __init__(self, device: str, silence_s: float = SILENCE_S, rounds: int = ROUNDS) -> None:
        self._device, self._silence_s, self._rounds = device, silence_s, rounds
        self._ether: Ether | None = None

    def attach(self, ether: Ether) -> None:
        self._ether = ether

    def bring(self, sha256: str, size_bytes: int, chunk_bytes: int, held: Held, stop: Callable[[], bool]) -> int:
        """Have the object whole in the spool; return the bytes that came. Raises Unreachable or InstallFailed."""
        if self._ether is None:
            raise Unreachable("unreachable", "There is no connection to the broker.")
        if not 0 < chunk_bytes <= CHUNK_LIMIT_BYTES or -(-size_bytes // chunk_bytes) > COUNT_LIMIT:
            raise Unreachable("unreachable", "It cannot be had in chunks of that size.")
        came: queue.Queue[tuple[int, bytes]] = queue.Queue(WAITING)

        def ask(missing: str) -> None:
            self._ask(ChunkRequest(self._device, sha256, size_bytes, chunk_bytes, missing))

        self._ether.listen(sha256, lambda n, chunk: _offer(came, n, chunk))
        try:
            return Puzzle(held, size_bytes, chunk_bytes).fill(came, ask, self._silence_s, self._rounds, stop)
        finally:
            self._ether.deafen(sha256)

    def _ask(self, request: ChunkRequest) -> None:
        assert self._ether is not None  # `bring` looked
        self._ether.publish("chunks", wire.encode(request))


class Puzzle:
    """One object and which of its chunks are here."""

    def __init__(self, held: Held, size_bytes: int, chunk_bytes: int) -> None:
        self._held, self._size_bytes, self._chunk_bytes = held, size_bytes, chunk_bytes
        self.count = -(-size_bytes // chunk_bytes)
        self.have = self._remembered()

    def fill(
        self,
        came: queue.Queue[tuple[int, bytes]],
        ask: Callable[[str], None],
        silence_s: float,
        rounds: int,
        stop: Callable[[], bool],
    ) -> int:
        """Take chunks until all are here; return how many bytes came."""
        brought = unnoted = quiet = 0
        while len(self.have) < self.count:
            if quiet >= rounds:
                raise Unreachable("unreachable", "Nobody sends the chunks that are missing.")
            ask(pack.bitmap(sorted(set(range(self.count)) - self.have), self.count))
            quiet += 1
            until = time.monotonic() + silence_s * (1 + random.random() / 2)  # noqa: S311 - jitter
            while len(self.have) < self.count and time.monotonic() < until:
                if stop():
                    self._note()
                    raise InstallFailed("cancelled_by_order", "The download was stopped.")
                try:
                    new = self._put(*came.get(timeout=LOOK_S))
                except queue.Empty:
                    continue
                brought, unnoted = brought + new, unnoted + new
                if new:
                    quiet, until = 0, time.monotonic() + silence_s * (1 + random.random() / 2)  # noqa: S311
                if unnoted >= SYNC_BYTES:
                    self._note()
                    unnoted = 0
            self._note()
        return brought

    def _put(self, n: int, chunk: bytes) -> int:
        """Keep a chunk; 0 where it is here already, or is none."""
        length = min(self._chunk_bytes, self._size_bytes - n * self._chunk_bytes)
        if not 0 <= n < self.count or n in self.have or len(chunk) != length:
            return 0
        self._held.put(n * self._chunk_bytes, chunk)
        self.have.add(n)
        return length

    def _note(self) -> None:
        note = Note(self._chunk_bytes, self.count, pack.bitmap(self.have, self.count))
        self._held.set_mark(wire.encode(note).decode())

    def _remembered(self) -> set[int]:
        """The chunks that are here by the note, or else as many as lie in a row, as another source leaves them."""
        try:
            mark = self._held.mark()
            if not mark:
                return set(range(min(self._held.size_bytes, self._size_bytes) // self._chunk_bytes))
            note = wire.decode(Note, mark.encode())
            if (note.chunk_bytes, note.count) == (self._chunk_bytes, self.count):
                return set(pack.parse_bitmap(note.have, self.count))
        except Invalid as error:
            log.info("note_dropped error=%s", error.message)
        self._held.restart()
        return set()


def in_a_row(held: Held) -> None:
    """Cut an object with holes where the first hole begins, for a source that goes on at the end."""
    mark = held.mark()
    if not mark:
        return
    try:
        note = wire.decode(Note, mark.encode())
        there = set(pack.parse_bitmap(note.have, note.count))
        first_hole = next((n for n in range(note.count) if n not in there), note.count)
        held.cut(min(first_hole * note.chunk_bytes, held.size_bytes))
    except Invalid:
        held.restart()


def _offer(came: queue.Queue[tuple[int, bytes]], n: int, chunk: bytes) -> None:
    try:
        came.put_nowait((n, chunk))
    except queue.Full:
        return  # the disk is slower than the air: it is asked for again
