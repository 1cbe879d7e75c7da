"""A real HTTP(S) source on a free port that serves blobs, and behaves as badly as it is told."""

from __future__ import annotations

import http.server
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_shared.messages import Source

Trick = Callable[["Request"], None]


@dataclass(frozen=True)
class Asked:
    """One request as the source saw it."""

    sha256: str
    offset: int
    authorization: str | None
    end: int | None = None
    """Where the range that was asked for ends, if it says so."""


@dataclass
class Blobs:
    """What a source holds, what it was asked, and how it answers."""

    content: dict[str, bytes]
    trick: Trick | None = None
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    """Bytes of bodies that went out."""
    etag: str = ""
    url: str = ""
    token: str = "lease-token"

    def source(self) -> Source:
        return Source(self.url, self.token)


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    blobs: Blobs

    def do_GET(self) -> None:
        self.sha256 = self.path.rpartition("/")[2]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.offset = int(match[1]) if match else 0
        self.ranged = match is not None
        self.end = int(match[2]) + 1 if match and match[2] else None
        self.blobs.asked.append(Asked(self.sha256, self.offset, self.headers.get("Authorization"), self.end))
        with suppress(OSError):  # the client leaves in most of these tests
            (self.blobs.trick or honest)(self)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(OSError):
            (self.blobs.trick or status(201))(self)

    def body(self) -> bytes:
        return self.blobs.content[self.sha256]

    def head(self, status: int, **headers: str | int) -> None:
        self.send_response(status)
        if self.blobs.etag:
            self.send_header("ETag", self.blobs.etag)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def honest(request: Request) -> None:
    body, offset = request.blobs.content.get(request.sha256), request.offset
    if body is None:
        request.head(404, Content_Length=0)
        return
    if offset >= len(body) > 0:
        request.head(416, Content_Length=0, Content_Range=f"bytes */{len(body)}")
        return
    end = min(request.end or len(body), len(body))
    if request.ranged:
        request.head(206, Content_Length=end - offset, Content_Range=f"bytes {offset}-{end - 1}/{len(body)}")
    else:
        request.head(200, Content_Length=len(body))
    request.wfile.write(body[offset:end])
    request.blobs.sent += end - offset


def status(code: int, **headers: str | int) -> Trick:
    return lambda request: request.head(code, Content_Length=0, **headers)


def closing_after(size: int) -> Trick:
    """Promise everything, send `size` bytes, hang up."""

    def trick(request: Request) -> None:
        whole = len(request.body())
        end = min(request.end or whole, whole)
        left = request.body()[request.offset : end]
        code = 206 if request.ranged else 200
        span = {"Content_Range": f"bytes {request.offset}-{end - 1}/{whole}"} if request.ranged else {}
        request.head(code, Content_Length=len(left), **span)
        request.wfile.write(left[:size])
        request.wfile.flush()
        request.close_connection = True

    return trick


def without_ranges(request: Request) -> None:
    request.head(200, Content_Length=len(request.body()))
    request.wfile.write(request.body())


def trickling(request: Request) -> None:
    request.head(200, Content_Length=len(request.body()))
    for byte in request.body():
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        time.sleep(0.01)


def trickling_head(request: Request) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Pad: y\r\n" * 5000:
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        time.sleep(0.01)


def silent(request: Request) -> None:
    request.head(200, Content_Length=len(request.body()))
    request.wfile.flush()
    request.connection.recv(1)  # until the client leaves


def garbage(request: Request) -> None:
    request.head(200, Content_Length=len(request.body()))
    request.wfile.write(b"\xaa" * len(request.body()))


def endless(request: Request) -> None:
    request.head(200)
    while True:
        request.wfile.write(b"x" * 4096)


@contextmanager
def serving(
    content: dict[str, bytes], trick: Trick | None = None, tls: tuple[Path, Path] | None = None
) -> Iterator[Blobs]:
    """Serve until the block ends; `tls` is (certificate, key)."""
    blobs = Blobs(content, trick)
    handler = type("Bound", (Request,), {"blobs": blobs})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        blobs.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/blobs/"
        try:
            yield blobs
        finally:
            server.shutdown()
            thread.join()
