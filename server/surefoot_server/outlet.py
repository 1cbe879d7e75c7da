"""The plain listener for artifacts: files go from disk to socket by sendfile, without TLS and without Python between.

Promises: serves GET and HEAD of `/TOKEN/NAME` and nothing else, where the token is a lease that has not ended and the
name is a blob's; ranges, If-Range and ETag as over TLS; a client that stalls, or never finishes its request, is cut; at
most `connections` at once, others are told when to come back. Artifacts are authentic and not secret, so a CDN or a
cache may stand in front. Refuses to read request bodies. Runs in a thread and an event loop of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h11

from surefoot_server.releases.ranges import Part, part
from surefoot_shared.errors import SurefootError

log = logging.getLogger(__name__)
REQUEST_S = 15.0
"""For a whole request, and for a kept connection to bring the next one."""
STEP_BYTES = 1 << 20
STEP_S = 300.0
"""A step that takes longer is slower than any device waits for."""
CONNECTIONS = 1000
BUSY_S = 30
READ_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A blob's file and its ETag, with quotes."""

    path: Path
    etag: str


Find = Callable[[str], Found]
"""Blob's name → file; raises a SurefootError."""
Check = Callable[[str], object]
"""Raises NotAllowed where the token is no lease that holds."""


class _Passed:
    """Bytes that h11 counts and never sees."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes


class Outlet:
    """Serve `taken`, a bound and listening socket, until `stop`."""

    def __init__(self, taken: socket.socket, find: Find, check: Check, connections: int = CONNECTIONS) -> None:
        self._taken, self._find, self._check, self._limit = taken, find, check, connections
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Event | None = None
        self._open = 0
        self.sent_bytes = 0
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cut whoever is connected: a download resumes by Range."""
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(timeout=5)

    def _end(self) -> None:
        if self._ended is not None:
            self._ended.set()
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._meet, sock=self._taken, limit=READ_BYTES)
        await self._ended.wait()
        server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # start_server runs this as one
        self._tasks.add(task)
        self._open += 1
        try:
            await self._talk(reader, writer)
        except (OSError, TimeoutError, asyncio.TimeoutError, h11.ProtocolError, asyncio.CancelledError):
            pass  # the client left, stalled or speaks no HTTP; it resumes where it wants to
        finally:
            self._open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = h11.Connection(h11.SERVER, max_incomplete_event_size=READ_BYTES)
        while True:
            request = await asyncio.wait_for(_request(talk, reader), REQUEST_S)
            if request is None:
                return
            await self._answer(talk, request, writer)
            if talk.our_state is not h11.DONE or talk.their_state is not h11.DONE:
                return
            talk.start_next_cycle()

    async def _answer(self, talk: h11.Connection, request: h11.Request, writer: asyncio.StreamWriter) -> None:
        status, headers, found, wanted = self._judge(request)
        given = [("Server", "surefoot"), ("X-Content-Type-Options", "nosniff"), *headers]
        head = talk.send(h11.Response(status_code=status, headers=given))
        assert head is not None  # a response has bytes
        writer.write(head)
        await writer.drain()
        if found is not None and wanted is not None and request.method == b"GET" and wanted.begin < wanted.end:
            talk.send_with_data_passthrough(h11.Data(data=_Passed(wanted.end - wanted.begin)))  # type: ignore[arg-type]
            await self._send(found.path, wanted, writer)
        talk.send(h11.EndOfMessage())

    async def _send(self, path: Path, wanted: Part, writer: asyncio.StreamWriter) -> None:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), wanted.begin, wanted.end - wanted.begin, os.POSIX_FADV_SEQUENTIAL)
            for at in range(wanted.begin, wanted.end, STEP_BYTES):
                count = min(STEP_BYTES, wanted.end - at)
                sent = await asyncio.wait_for(self._loop.sendfile(writer.transport, file, at, count), STEP_S)
                self.sent_bytes += sent
                if sent != count:
                    raise ConnectionResetError("the file became shorter")

    def _judge(self, request: h11.Request) -> tuple[int, list[tuple[str, str]], Found | None, Part | None]:
        """(status, headers, file, bytes of it)."""
        if self._open > self._limit:
            return 503, [*_empty(), ("Retry-After", str(BUSY_S)), ("Connection", "close")], None, None
        if request.method not in (b"GET", b"HEAD"):
            return 405, [*_empty(), ("Allow", "GET, HEAD"), ("Connection", "close")], None, None
        token, _, name = request.target.decode("ascii", "replace").strip("/").partition("/")
        try:
            self._check(token)
            found = self._find(name)
            size_bytes = found.path.stat().st_size
        except (SurefootError, OSError) as error:
            return (403 if getattr(error, "kind", "") == "lease_expired" else 404), _empty(), None, None
        said = {key.decode("ascii"): value.decode("latin-1") for key, value in request.headers}
        wanted = part(size_bytes, said.get("range", ""), said.get("if-range", ""), found.etag)
        return wanted.status, _headers(wanted, found.etag), found, wanted


async def _request(talk: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request, read to its end; None where the client is gone."""
    request: h11.Request | None = None
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            talk.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None
        elif isinstance(event, h11.Data):
            raise h11.RemoteProtocolError("a body where none belongs")


def _empty() -> list[tuple[str, str]]:
    return [("Content-Length", "0")]


def _headers(wanted: Part, etag: str) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(wanted.end - wanted.begin)),
        ("Accept-Ranges", "bytes"),
        ("ETag", etag),
        ("Cache-Control", "public, max-age=31536000, immutable"),
    ]
    return [*headers, ("Content-Range", wanted.content_range)] if wanted.content_range else headers
