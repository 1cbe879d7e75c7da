"""Fill a slot over HTTP(S) ranges: what either slot holds is linked, the rest comes from the first source that works.

Promises: never a byte more than was signed is taken; what arrived stays for the next try; a source that fails, lacks
ranges, lies or trickles is left for the next; `stop` is obeyed within a fraction of a second whatever a socket does.
Memory is one chunk. Nothing here decides what may run: the slot checks every file or block by its signed hash.
Refuses: redirects, tokens over plain text, content codings, certificates of other authorities.
Raises Unreachable (lease_expired, busy, too_slow, unreachable) or InstallFailed (artifact_corrupt, artifact_missing,
cancelled_by_order when stopped, and what the slot raises).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from surefoot_agent.download import local
from surefoot_agent.download.connection import Line, make_pool, watched
from surefoot_agent.download.meter import Meter
from surefoot_agent.download.pace import Pace, Pacing
from surefoot_agent.download.replies import SOURCE_FAULTS, Span, asked_range, check_reply, verdict
from surefoot_agent.ports import Piece, Progress, Slots, Wish
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import MANIFEST_LIMIT_BYTES, Manifest, digest_of
from surefoot_shared.status import SlotName

T = TypeVar("T")
Stop = Callable[[], bool]
CHUNK_BYTES = 64 * 1024
LIMITED_CHUNKS_PER_S = 4
"""Under a rate limit chunks are as small as makes this many a second, so that the rate is even and a stop is quick."""
TRIES_PER_SOURCE = 3
"""A connection that was cut after it had brought bytes is taken up again so often before the next source is asked."""
NAP_S = 0.1


class HttpDownloader:
    """Downloader port. One installer thread at a time."""

    def __init__(
        self,
        slots: Slots,
        ca_file: Path | None,
        pacing: Pacing | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
    ) -> None:
        self._slots = slots
        self._pacing = pacing or Pacing()
        self._head_timeout_s = connect_timeout_s + read_timeout_s
        self._line = Line()
        self._pool = make_pool(ca_file, self._line, connect_timeout_s, read_timeout_s)
        self._arrived = 0

    def manifest(self, wish: Wish, lease: Lease) -> bytes:
        """Fetch the manifest whole: its size and hash stand in the verified metadata."""
        size = wish.manifest_size
        if size > MANIFEST_LIMIT_BYTES:
            raise InstallFailed("artifact_corrupt", f"The manifest has {size} bytes, too many.")

        whole = Piece("the manifest", wish.digest, size, 0, size)

        def fetch(source: Source) -> bytes:
            raw = b"".join(self._chunks(source, lease, whole, 0, lambda: False))
            if digest_of(raw) != wish.digest:
                raise InstallFailed("artifact_corrupt", "The fetched manifest does not match its signed hash.")
            return raw

        return self._from_any(lease, whole.name, fetch)

    def fill(
        self, wish: Wish, manifest: Manifest, slot: SlotName, lease: Lease, progress: Progress, stop: Stop
    ) -> None:
        """Put every missing piece in place: from a slot where one holds it, else from the network."""
        missing = self._slots.missing(slot)
        meter = Meter(manifest.installed_size_bytes, sum(piece.size_bytes for piece in missing), progress)
        for piece in missing:
            _obey(stop)
            for left in self._slots.reuse(slot, piece):
                self._fetch(slot, left, lease, meter, stop)
            meter.placed(piece.size_bytes)

    def _fetch(self, slot: SlotName, piece: Piece, lease: Lease, meter: Meter, stop: Stop) -> None:
        def write(source: Source) -> None:
            def chunks(offset: int) -> Iterable[bytes]:
                return meter.through(offset - piece.begin, self._chunks(source, lease, piece, offset, stop))

            self._slots.write(slot, piece, chunks)

        self._from_any(lease, piece.name, write)

    def _from_any(self, lease: Lease, what: str, fetch: Callable[[Source], T]) -> T:
        """Ask source after source; raise what their failures mean together."""
        failures: list[SurefootError] = []
        for source in lease.sources:
            for _ in range(TRIES_PER_SOURCE):
                before = self._arrived
                try:
                    return fetch(source)
                except (Unreachable, InstallFailed) as error:
                    if isinstance(error, InstallFailed) and error.kind not in SOURCE_FAULTS:
                        raise
                    failures.append(error)
                    if error.kind != "unreachable" or self._arrived == before:
                        break
        raise verdict(what, failures)

    def _chunks(self, source: Source, lease: Lease, piece: Piece, offset: int, stop: Stop) -> Iterator[bytes]:
        """Yield the blob's bytes from `offset` to the piece's end, or raise; never more."""
        if local.is_local(source):
            yield from local.chunks(source, piece, offset, stop)
            return
        head_until: list[float] = [time.monotonic() + self._head_timeout_s]

        def over() -> bool:
            return stop() or bool(head_until and time.monotonic() > head_until[0])

        with watched(self._line, over):
            try:
                reply, span = self._ask(source, piece, offset)
                head_until.clear()
                yield from self._body(reply, span, self._pacing.under(lease.rate_bytes_per_s), stop)
            except Unreachable as error:
                raise self._cut(stop) or error from error
            except ReadTimeoutError as error:
                raise self._cut(stop) or Unreachable("too_slow", "The source fell silent.") from error
            except (HTTPError, OSError) as error:
                lost = Unreachable("unreachable", f"The source cannot be reached: {_name(error)}.")
                raise self._cut(stop) or lost from error

    def _ask(self, source: Source, piece: Piece, offset: int) -> tuple[urllib3.BaseHTTPResponse, Span]:
        span = asked_range(piece, offset)
        reply = self._get(source, piece, span)
        if reply.status == 416 and span:  # some caches refuse ranges of what they have not stored yet
            reply.close()
            reply = self._get(source, piece, "")
        try:
            return reply, check_reply(reply.status, reply.headers, piece, offset)
        except SurefootError:
            reply.close()
            raise

    def _get(self, source: Source, piece: Piece, span: str) -> urllib3.BaseHTTPResponse:
        headers = {"Accept-Encoding": "identity"}
        if source.token and source.url.startswith("https://"):
            headers["Authorization"] = f"Bearer {source.token}"
        if span:
            headers["Range"] = span
        url = source.url + piece.sha256
        try:
            return self._request(url, headers)
        except ProtocolError:
            if self._line.was_cut:
                raise
            return self._request(url, headers)  # a kept connection was closed by the other side meanwhile

    def _request(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        return self._pool.request("GET", url, headers=headers, redirect=False, preload_content=False)

    def _body(self, reply: urllib3.BaseHTTPResponse, span: Span, pacing: Pacing, stop: Stop) -> Iterator[bytes]:
        pace, rate = Pace(pacing, time.monotonic()), pacing.rate_bytes_per_s
        chunk_bytes = min(CHUNK_BYTES, max(256, rate // LIMITED_CHUNKS_PER_S)) if rate else CHUNK_BYTES
        skip, left, ended = span.skip, span.wanted, False
        try:
            while not ended and (part := reply.read1(chunk_bytes, decode_content=False)):
                _nap(pace.arrived(len(part), time.monotonic()), stop)
                skip, part = max(0, skip - len(part)), part[skip:]
                if len(part) > left and not span.more_follows:
                    raise InstallFailed("artifact_corrupt", "The source sends more bytes than were signed.")
                part = part[:left]
                left -= len(part)
                ended = not left and span.more_follows
                self._arrived += len(part)
                if part:
                    yield part
        finally:
            reply.close() if left or ended else reply.release_conn()
        if left:
            raise Unreachable("unreachable", f"The source ended {left} bytes too early.")

    def _cut(self, stop: Stop) -> SurefootError | None:
        """What was meant where the line was cut from our own side."""
        if not self._line.was_cut:
            return None
        if stop():
            return _stopped()
        return Unreachable("too_slow", f"The source gave no whole answer within {self._head_timeout_s:g} s.")


def _obey(stop: Stop) -> None:
    if stop():
        raise _stopped()


def _nap(wait_s: float, stop: Stop) -> None:
    """Wait for the rate, in naps so short that a stop is not kept waiting."""
    until = time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0:
        _obey(stop)
        time.sleep(min(NAP_S, left_s))


def _stopped() -> InstallFailed:
    return InstallFailed("cancelled_by_order", "The download was stopped.")


def _name(error: Exception) -> str:
    """The failure without the address: a line about it may be logged."""
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__
