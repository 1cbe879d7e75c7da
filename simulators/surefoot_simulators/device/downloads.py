"""Downloads of a simulated device: every piece from the world's blobs, in the time that its line and its lease allow.

Promises: what a slot holds already is not fetched; a line that breaks, a lease that ends and bytes that are not those
that were signed are told as the real downloader tells them; a second source is tried before an attempt is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from surefoot_agent.ports import Piece, Progress, Say, Wish, never, silent
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Lease
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName
from surefoot_simulators.device.board import Board
from surefoot_simulators.device.link import SimLink
from surefoot_simulators.device.slots import SimSlots

SLICE_S = 20.0
"""How soon a download notices that its line broke or that it is no longer wanted."""
ANSWER_S = 0.2
SOURCES = 2
"""The server and one beside it."""


class SimDownloader:
    """Downloader port. `nap` sleeps in the world's time, `size_of` makes simulated bytes of real ones."""

    def __init__(
        self,
        board: Board,
        link: SimLink,
        slots: SimSlots,
        blobs: Mapping[str, bytes],
        nap: Callable[[float], None],
        size_of: Callable[[int], int],
    ) -> None:
        self._board, self._link, self._slots, self._blobs = board, link, slots, blobs
        self._nap, self._size_of = nap, size_of
        self.corrupt = 0
        """So many pieces come with a wrong byte."""
        self.fetched_bytes = 0.0

    def manifest(self, wish: Wish, lease: Lease, stop: Callable[[], bool] = never) -> bytes:
        if lease.wait_s:
            self._nap(lease.wait_s)
        self._nap(ANSWER_S)
        self._check_line()
        return self._blobs[wish.digest]

    def fill(
        self,
        wish: Wish,
        manifest: Manifest,
        slot: SlotName,
        lease: Lease,
        progress: Progress,
        stop: Callable[[], bool],
        say: Say = silent,
    ) -> None:
        began, missing = self._board.monotonic(), self._slots.missing(slot)
        total = sum(piece.size_bytes for piece in missing)
        done = 0
        for piece in missing:
            for left in self._slots.reuse(slot, piece):
                self._fetch(left, slot, lease, began, stop)
            done += piece.size_bytes
            progress(done, total)

    def forget(self) -> None:
        """Nothing is kept outside the slots."""

    def _fetch(self, piece: Piece, slot: SlotName, lease: Lease, began: float, stop: Callable[[], bool]) -> None:
        for source in range(SOURCES):
            self._wait(piece, lease, began, stop)
            try:
                self._slots.write(slot, piece, lambda offset: self._bytes(piece, offset))
            except InstallFailed as error:
                if error.kind != "artifact_corrupt" or source == SOURCES - 1:
                    raise
            else:
                return

    def _wait(self, piece: Piece, lease: Lease, began: float, stop: Callable[[], bool]) -> None:
        """Let the time pass that the bytes take; raises Unreachable as soon as they can no longer come."""
        size, rate = self._size_of(piece.size_bytes), self._rate(lease)
        left_s = size / rate
        while left_s > 0:
            nap_s = min(left_s, SLICE_S)
            self._nap(nap_s)
            left_s -= nap_s
            self._count(nap_s * rate)
            self._check_line()
            if stop():
                raise Unreachable("unreachable", "The download was stopped.")
            if self._board.monotonic() - began > lease.valid_s:
                raise Unreachable("lease_expired", "The lease ended.")

    def _rate(self, lease: Lease) -> float:
        line = self._link.network.rate_bytes_per_s
        return min(line, lease.rate_bytes_per_s) if lease.rate_bytes_per_s else line

    def _count(self, size_bytes: float) -> None:
        self.fetched_bytes += size_bytes
        if self._link.network.metered:
            self._link.metered_bytes += size_bytes

    def _check_line(self) -> None:
        if not self._link.reachable:
            raise Unreachable("unreachable", "The source broke off.")

    def _bytes(self, piece: Piece, offset: int) -> Iterable[bytes]:
        content = self._blobs[piece.sha256]
        if self.corrupt and content:
            self.corrupt -= 1
            content = bytes([content[0] ^ 1]) + content[1:]
        yield content[offset:]
