"""`surefoot-agent cache`: one device of a site keeps what the site downloads, so that the uplink carries it once.

Promises: serves objects by their hash over plain HTTP with ranges, and takes what it asked a device to bring; holds no
credential and asks nobody for anything, so that nothing can be had through it but bytes whose name is their hash: every
device checks what it gets by what was signed. Bounded in disk, connections and time. Refuses paths, methods and names
that are none of this. 404: the asker brings it; 503: somebody is bringing it.
"""

from __future__ import annotations

import http.server
import logging
import os
import re
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from surefoot_agent.config import Settings, components_of
from surefoot_agent.download import discovery
from surefoot_agent.download.shelf import Miss, Shelf
from surefoot_agent.slots.label import Labels
from surefoot_shared.errors import ConfigError, Conflict, Invalid
from surefoot_shared.release import SHA256
from surefoot_shared.status import SlotName

log = logging.getLogger(__name__)
PREFIX = "/blobs/"
CONNECTIONS = 256
"""Each device of a site keeps one open, and another while it brings something; a thread each, which costs little."""
SILENCE_S = 30.0
"""A connection that says nothing for so long is closed."""
READ_BYTES = 256 * 1024
RETRY_S = 1
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Server(socketserver.ThreadingTCPServer):
    """`address` is (host, port); port 0 takes a free one. The library's own HTTP server asks DNS for its name first."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], shelf: Shelf) -> None:
        self.shelf, self._free = shelf, threading.BoundedSemaphore(CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """One connection too many is closed at once: its device takes the next source."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A device that left in the middle is nothing to report."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "surefoot-cache"
    sys_version = ""
    timeout = SILENCE_S
    disable_nagle_algorithm = True
    """A small object behind its head would wait 40 ms for the other side's delayed acknowledgement."""
    server: Server

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_PUT(self) -> None:
        length, name = self.headers.get("Content-Length", ""), self._name()
        if name is None or not length.isdigit():
            self.close_connection = True
            self._say(404 if name is None else 411)
            return
        try:
            self.server.shelf.put(name, int(length), self._body(int(length)))
        except (Conflict, Invalid, OSError) as error:
            log.warning("object_refused sha256=%s error=%s", name, error)
            self.close_connection = True  # what is left of the body is not read
            full = isinstance(error, OSError) or error.kind == "too_large"
            self._say(409 if isinstance(error, Conflict) else 507 if full else 422)
            return
        log.info("object_kept sha256=%s bytes=%s", name, length)
        self._say(201)

    def _serve(self, body: bool) -> None:
        name = self._name()
        found = self.server.shelf.find(name) if name is not None else None
        match found:
            case None:
                self._say(404)
            case Miss.BRING_IT:
                self._say(404)
            case Miss.WAIT:
                self._say(503, {"Retry-After": str(RETRY_S)})
            case Path():
                self._send(found, body)

    def _send(self, path: Path, body: bool) -> None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self._say(404)
            return
        with open(handle, "rb") as file:
            size = os.fstat(handle).st_size
            asked = RANGE.fullmatch(self.headers.get("Range", ""))
            begin, end = (int(asked[1]), min(int(asked[2] or size) + bool(asked[2]), size)) if asked else (0, size)
            headers = {
                "ETag": f'"{self._name()}"',
                "Accept-Ranges": "bytes",
                "Content-Type": "application/octet-stream",
            }
            if asked and begin >= end:
                self._say(416, {**headers, "Content-Range": f"bytes */{size}"})
                return
            if asked:
                headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
            self._say(206 if asked else 200, headers, end - begin)
            if body and end > begin:
                self.connection.sendfile(file, begin, end - begin)

    def _say(self, status: int, headers: Mapping[str, str] | None = None, length: int = 0) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()

    def _body(self, left: int) -> Iterator[bytes]:
        while left and (part := self.rfile.read1(min(left, READ_BYTES))):
            left -= len(part)
            yield part

    def _name(self) -> str | None:
        name = self.path.removeprefix(PREFIX)
        return name if self.path.startswith(PREFIX) and SHA256.fullmatch(name) else None

    def log_message(self, format: str, *args: object) -> None:
        """What is kept or refused is logged above; requests are too many."""


def in_slots(settings: Settings) -> dict[str, Path]:
    """Every file of every sealed directory slot of this device, by its hash."""
    found: dict[str, Path] = {}
    for component in components_of(settings):
        if component.kind != "directory":
            continue
        root = settings.component_dir(component.name) / "slots"
        labels = Labels(root, make=False)
        for slot in SlotName:
            content = labels.whole(slot)
            for file in content.manifest.files if content else ():
                found.setdefault(file.sha256, root / slot.value / file.path)
    return found


def server_of(settings: Settings) -> Server:
    """The cache as this device is configured. Raises ConfigError where its address is taken or it has no room."""
    host, _, port = settings.cache_listen.rpartition(":")

    def elsewhere(name: str) -> Path | None:
        found = in_slots(settings).get(name)
        return found if found is not None and found.is_file() else None

    try:
        folder, reserve = settings.state_dir / "cache", settings.reserve_bytes
        shelf = Shelf(folder, settings.cache_bytes, elsewhere, reserve_bytes=reserve)
        return Server((host.strip("[]"), int(port)), shelf)
    except OSError as error:
        message = f"The cache cannot listen on {settings.cache_listen}: {error.strerror}."
        raise ConfigError("port_in_use", message) from error


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = server_of(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    host, port = server.server_address[:2]
    log.info("cache_up address=%s:%s bytes=%d", host, port, settings.cache_bytes)
    responder = _responder(settings, int(port))
    try:
        server.serve_forever()
    finally:
        server.server_close()
        if responder is not None:
            responder.stop()


def _responder(settings: Settings, port: int) -> discovery.Responder | None:
    """A cache that cannot be found by itself is found by configuration."""
    if settings.cache_discovery != "on":
        return None
    try:
        return discovery.Responder(port)
    except OSError as error:
        log.warning("cache_not_announced error=%s", error.strerror)
        return None
