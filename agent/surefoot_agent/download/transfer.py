"""Bytes of one object over HTTP(S) ranges, from the first place that works.

Promises: never a byte more than was asked for is taken; a place that fails, lacks ranges, lies or trickles is left for
the next; one that changes the object in the middle is noticed by its ETag; `stop` is obeyed within a fraction of a
second whatever a socket does, and so is the end of the lease: no place, cache or broker is asked beyond it. Memory is
one chunk. Nothing here decides what may run.
Refuses: redirects, tokens over plain text, content codings, certificates of other authorities.
Raises Unreachable (lease_expired, busy, too_slow, unreachable) or InstallFailed (artifact_corrupt, artifact_missing,
cancelled_by_order when stopped, and what the taker raises).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from surefoot_agent.download import local
from surefoot_agent.download.connection import Line, make_pool, watched
from surefoot_agent.download.pace import Pace, Pacing
from surefoot_agent.download.places import Kind, Place, Places
from surefoot_agent.download.replies import (
    SOURCE_FAULTS,
    Span,
    asked_range,
    check_reply,
    size_stated,
    verdict,
    whose_fault,
)
from surefoot_agent.download.spool import Held
from surefoot_agent.ports import Changed, Piece
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.messages import Lease

T = TypeVar("T")
Stop = Callable[[], bool]
CHUNK_BYTES = 64 * 1024
LIMITED_CHUNKS_PER_S = 4
"""Under a rate limit chunks are as small as makes this many a second, so that the rate is even and a stop is quick."""
TRIES_PER_PLACE = 3
"""A connection that was cut after it had brought bytes is taken up again so often before the next place is asked."""
CACHE_WAIT_S = 120.0
"""How long a cache of the site is waited for while it says that somebody else is bringing the object."""
CACHE_NAP_S = 1.0
NAP_S = 0.1


class Transfer:
    """One connection at a time, for one thread."""

    def __init__(
        self,
        ca_file: Path | None,
        pacing: Pacing | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
    ) -> None:
        self._pacing = pacing or Pacing()
        self._head_timeout_s = connect_timeout_s + read_timeout_s
        self._line = Line()
        self._make_pool = partial(make_pool, ca_file, self._line, connect_timeout_s, read_timeout_s)
        self._pool = self._make_pool()
        self._public: urllib3.PoolManager | None = None
        """For places that get no token; made when one is met."""
        self._tags: dict[tuple[str, str], str] = {}
        self.arrived: dict[Kind, int] = dict.fromkeys(Kind, 0)
        """Bytes that came, by the kind of place."""
        self.owed: Place | None = None
        """The cache that asked us to bring it what was fetched last."""
        self._lease: Lease | None = None
        self._until = math.inf

    def under(self, lease: Lease) -> None:
        """Count the lease's time from the first mention of it."""
        if lease is not self._lease:
            self._lease, self._until = lease, time.monotonic() + lease.valid_s

    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def obey_lease(self) -> None:
        """Raise Unreachable(lease_expired) once the lease ended: with it the window, or this share of a site's rate."""
        if self.is_over():
            raise Unreachable("lease_expired", "The lease ended.")

    def from_any(self, places: Places, name: str, what: str, fetch: Callable[[Place], T], stop: Stop) -> T:
        """Ask place after place; raise what their failures mean together."""
        failures: list[SurefootError] = []
        self.owed = None
        for place in places.of(name):
            tries, until = TRIES_PER_PLACE, time.monotonic() + CACHE_WAIT_S
            while tries:
                self.obey_lease()
                tries, before = tries - 1, sum(self.arrived.values())
                try:
                    return fetch(place)
                except (Unreachable, InstallFailed) as error:
                    if not whose_fault(error) or self.is_over():
                        raise
                    if place.kind is Kind.CACHE and error.kind == "busy" and time.monotonic() < until:
                        tries += 1
                        nap(CACHE_NAP_S, stop)
                        continue
                    failures.append(error)
                    if isinstance(error, Changed):
                        continue
                    if error.kind != "unreachable" or sum(self.arrived.values()) == before:
                        self._left(places, place, name, error)
                        break
        raise verdict(what, [f for f in failures if f.kind in SOURCE_FAULTS or isinstance(f, Unreachable)])

    def _left(self, places: Places, place: Place, name: str, error: SurefootError) -> None:
        """What is noted of a place that failed."""
        if place.kind is Kind.CACHE and error.kind == "artifact_missing":
            self.owed = place
        elif place.kind is Kind.STORE and error.kind == "lease_expired":
            places.expired(name)
        elif error.kind in ("unreachable", "too_slow", "busy", "artifact_corrupt"):
            places.gone(place, error.message)

    def chunks(self, place: Place, rate: int | None, piece: Piece, offset: int, stop: Stop) -> Iterator[bytes]:
        """Yield the blob's bytes from `offset` to the piece's end, or raise; never more."""
        if local.is_local(place.source):
            yield from local.chunks(place.source, piece, offset, stop)
            return

        def ask() -> tuple[urllib3.BaseHTTPResponse, Span]:
            reply = self._get(place, piece.sha256, asked_range(piece, offset))
            if reply.status == 416 and asked_range(piece, offset):  # caches refuse ranges of what they do not hold yet
                reply.close()
                reply = self._get(place, piece.sha256, "")
            try:
                span = check_reply(reply.status, reply.headers, piece, offset)
                self._same(place, piece.sha256, reply.headers, offset > piece.begin)
            except SurefootError:
                reply.close()
                raise
            return reply, span

        yield from self._talk(place, ask, rate, stop)

    def into(self, place: Place, rate: int | None, name: str, held: Held, limit_bytes: int, stop: Stop) -> None:
        """Bring an object of which only the name is known to its end; its size and its version are the place's word."""
        if local.is_local(place.source):
            raise InstallFailed("artifact_missing", "A folder holds no frames.")

        def ask() -> tuple[urllib3.BaseHTTPResponse, Span]:
            reply = self._get(place, name, f"bytes={held.size_bytes}-" if held.size_bytes else "")
            try:
                if reply.status == 416 and held.size_bytes:
                    raise Changed("artifact_corrupt", "The source has less of the file than before.")
                size = size_stated(reply.status, reply.headers, limit_bytes)
                piece = Piece(name, name, size, 0, size)
                span = check_reply(reply.status, reply.headers, piece, held.size_bytes)
                tag = reply.headers.get("ETag", "")
                if held.size_bytes and held.mark() != tag:
                    raise Changed("artifact_corrupt", "The source changed the file in the middle.")
                if not held.size_bytes:
                    held.set_mark(tag)
            except SurefootError as error:
                reply.close()
                if isinstance(error, Changed):
                    held.restart()
                raise
            return reply, span

        for chunk in self._talk(place, ask, rate, stop):
            held.append(chunk)

    def bring(self, place: Place, name: str, size_bytes: int, chunks: Iterator[bytes], stop: Stop) -> None:
        """Give a cache what it asked for; one that does not take it, or not soon, costs nothing but itself."""
        headers = {"Content-Length": str(size_bytes)}
        until = [time.monotonic() + self._head_timeout_s]

        def taken() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk
                until[0] = time.monotonic() + self._head_timeout_s

        with watched(self._line, lambda: stop() or time.monotonic() > until[0]):
            try:
                pool = self._pool_of(place)
                pool.request("PUT", place.url(name), body=taken(), headers=headers, redirect=False).close()
            except (HTTPError, OSError):
                return

    def _talk(
        self, place: Place, ask: Callable[[], tuple[urllib3.BaseHTTPResponse, Span]], rate: int | None, stop: Stop
    ) -> Iterator[bytes]:
        head_until: list[float] = [time.monotonic() + self._head_timeout_s]

        def over() -> bool:
            return stop() or self.is_over() or bool(head_until and time.monotonic() > head_until[0])

        with watched(self._line, over):
            try:
                reply, span = ask()
                head_until.clear()
                pacing = self._pacing.under(rate) if place.kind is not Kind.CACHE else self._pacing.unlimited()
                for part in self._body(reply, span, pacing, stop):
                    self.arrived[place.kind] += len(part)
                    yield part
            except Unreachable as error:
                raise self._cut(stop) or error from error
            except ReadTimeoutError as error:
                raise self._cut(stop) or Unreachable("too_slow", "The source fell silent.") from error
            except (HTTPError, OSError) as error:
                said = f"The source cannot be reached: {_name(error)}." if head_until else "The source broke off."
                raise self._cut(stop) or Unreachable("unreachable", said) from error

    def _same(self, place: Place, name: str, headers: Mapping[str, str], resumed: bool) -> None:
        """Raise Changed where what follows is of another version than what came before."""
        tag, key = headers.get("ETag", ""), (place.known_as, name)
        before = self._tags.get(key)
        self._tags[key] = tag
        if resumed and before is not None and before != tag:
            raise Changed("artifact_corrupt", "The source changed the file in the middle.")

    def _get(self, place: Place, name: str, span: str) -> urllib3.BaseHTTPResponse:
        headers = {"Accept-Encoding": "identity"}
        url = place.url(name)
        if place.source.token and url.startswith("https://"):
            headers["Authorization"] = f"Bearer {place.source.token}"
        if span:
            headers["Range"] = span
        try:
            return self._request(place, url, headers)
        except ProtocolError:
            if self._line.was_cut:
                raise
            return self._request(place, url, headers)  # a kept connection was closed by the other side meanwhile

    def _pool_of(self, place: Place) -> urllib3.PoolManager:
        if place.source.token:
            return self._pool
        if self._public is None:
            self._public = self._make_pool(public=True)
        return self._public

    def _request(self, place: Place, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        return self._pool_of(place).request("GET", url, headers=headers, redirect=False, preload_content=False)

    def _body(self, reply: urllib3.BaseHTTPResponse, span: Span, pacing: Pacing, stop: Stop) -> Iterator[bytes]:
        pace, rate = Pace(pacing, time.monotonic()), pacing.rate_bytes_per_s
        chunk_bytes = min(CHUNK_BYTES, max(256, rate // LIMITED_CHUNKS_PER_S)) if rate else CHUNK_BYTES
        skip, left, ended = span.skip, span.wanted, False
        try:
            while not ended and (part := reply.read1(chunk_bytes, decode_content=False)):
                nap(pace.arrived(len(part), time.monotonic()), stop)
                self.obey_lease()
                skip, part = max(0, skip - len(part)), part[skip:]
                if len(part) > left and not span.more_follows:
                    raise InstallFailed("artifact_corrupt", "The source sends more bytes than were signed.")
                part = part[:left]
                left -= len(part)
                ended = not left and span.more_follows
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
            return stopped()
        if self.is_over():
            return Unreachable("lease_expired", "The lease ended.")
        return Unreachable("too_slow", f"The source gave no whole answer within {self._head_timeout_s:g} s.")


def obey(stop: Stop) -> None:
    if stop():
        raise stopped()


def nap(wait_s: float, stop: Stop) -> None:
    """Wait, in naps so short that a stop is not kept waiting."""
    until = time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0:
        obey(stop)
        time.sleep(min(NAP_S, left_s))


def stopped() -> InstallFailed:
    return InstallFailed("cancelled_by_order", "The download was stopped.")


def _name(error: Exception) -> str:
    """The failure without the address: a line about it may be logged."""
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__
