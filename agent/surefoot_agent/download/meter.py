"""Progress of a download: bytes in place of bytes in all, told about a hundred times, never backwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from surefoot_agent.ports import Progress

STEPS = 100


class Meter:
    """`total` and `missing` are bytes of the whole release and of what is still to come."""

    def __init__(self, total: int, missing: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._placed = total - missing
        self._told = -1
        self._tell(self._placed)

    def through(self, offset: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the chunks of one file on; `offset` bytes of it are there already."""
        for chunk in chunks:
            yield chunk
            offset += len(chunk)
            self._tell(self._placed + offset)

    def placed(self, size: int) -> None:
        self._placed += size
        self._tell(self._placed)

    def _tell(self, now: int) -> None:
        far_enough = now - self._told >= max(1, self._total // STEPS)
        if now > self._told and (self._told < 0 or far_enough or now == self._total):
            self._told = now
            self._progress(now, self._total)
