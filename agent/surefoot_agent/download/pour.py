"""Pour what comes in one stream into the pieces of a slot that lack it, in rising order.

Promises: a stream that ends too early leaves what it brought, for the next one to go on; one that brings wrong bytes
costs its own pieces only: the rest of the stream is still in step. The first block of an image, which must be written
last, is kept until `last`. Decides nothing: the slot checks every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from surefoot_agent.download.meter import Meter
from surefoot_agent.download.replies import whose_fault
from surefoot_agent.download.unpack import Spoilt
from surefoot_agent.ports import Bytes, Piece, Slots
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.release import SlotKind
from surefoot_shared.status import SlotName

KEPT_LIMIT_BYTES = 1024 * 1024
"""The largest block that an image may have."""


class Continued(Unreachable):
    """The stream holds no more of this piece; the next one may."""


class Cursor:
    """The bytes of one blob from `at` on, as they come."""

    def __init__(self, at: int, chunks: Iterator[bytes]) -> None:
        self._at, self._chunks, self._left = at, chunks, memoryview(b"")

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `begin` to `end`; what lies before them is passed over."""
        if begin < self._at:
            raise InstallFailed("artifact_missing", "The stream is past what is asked for.")
        while self._at < end:
            if not self._left:
                chunk = next(self._chunks, None)
                if chunk is None:
                    raise Continued("unreachable", "The stream holds no more of it.")
                self._left = memoryview(chunk)
            if self._at < begin:
                skipped = min(begin - self._at, len(self._left))
                self._at, self._left = self._at + skipped, self._left[skipped:]
                continue
            part, self._left = self._left[: end - self._at], self._left[end - self._at :]
            self._at += len(part)
            yield bytes(part)

    def drain(self) -> None:
        """Take the rest of the stream, so that what follows it is in step."""
        for _ in self._chunks:
            pass


@dataclass
class Pour:
    """Into one slot, during one download."""

    slots: Slots
    slot: SlotName
    meter: Meter
    say: Callable[[str], None]
    done: set[Piece] = field(default_factory=set)
    kept: dict[Piece, bytes] = field(default_factory=dict)

    def into(self, pieces: Sequence[Piece], cursor: Cursor) -> bool:
        """Fill pieces of one blob; True where none of them got wrong bytes."""
        right = True
        for piece in sorted(pieces, key=lambda each: each.begin):
            if piece in self.done or piece in self.kept:
                continue
            try:
                if self._comes_last(piece):
                    self.kept[piece] = b"".join(cursor.read(piece.begin, piece.end))
                else:
                    self.write(piece, _until(piece.end, cursor))
            except Continued:
                return right
            except (Unreachable, InstallFailed) as error:
                right = self._blame(error)
        cursor.drain()
        return right

    def write(self, piece: Piece, source: Bytes) -> None:
        """Write one piece and count it."""

        def counted(offset: int) -> Iterator[bytes]:
            return self.meter.through(offset - piece.begin, source(offset))

        self.slots.write(self.slot, piece, counted)
        self.placed(piece)

    def last(self) -> list[Piece]:
        """Write what had to come last; return what of it was wrong."""
        wrong = []
        for piece, content in list(self.kept.items()):
            del self.kept[piece]
            try:
                self.write(piece, _from(piece, content))
            except InstallFailed as error:
                self._blame(error)
                wrong.append(piece)
        return wrong

    def placed(self, piece: Piece) -> None:
        self.done.add(piece)
        self.meter.placed(piece.size_bytes)

    def left_of(self, pieces: Iterable[Piece]) -> list[Piece]:
        return [piece for piece in pieces if piece not in self.done and piece not in self.kept]

    def _comes_last(self, piece: Piece) -> bool:
        first = self.slots.kind is SlotKind.IMAGE and piece.chunk == 0 and piece.begin == 0
        return first and piece.size_bytes <= KEPT_LIMIT_BYTES

    def _blame(self, error: SurefootError) -> bool:
        """False, and a word about it, where the stream is to blame; raises what is the device's own."""
        if not whose_fault(error) or isinstance(error, (Unreachable, Spoilt)):
            raise error
        self.say(error.message)
        return False


def _until(end: int, cursor: Cursor) -> Bytes:
    return lambda offset: cursor.read(offset, end)


def _from(piece: Piece, content: bytes) -> Bytes:
    return lambda offset: [content[offset - piece.begin :]]
