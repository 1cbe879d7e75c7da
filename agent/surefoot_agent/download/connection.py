"""HTTPS connections of the downloader that another thread can cut at any moment.

Promises: certificates are checked against the fleet CA (TLS 1.2 or newer) and the host name, where no token is sent
against the system's authorities as well, as object storage and CDNs have theirs from them; redirects and retries are
off; `Line.cut` ends whatever the socket is waiting for, so that neither a stop nor a deadline waits for the other side.
urllib3 has read timeouts per packet only: a server that drips one header byte a second would hold it for hours.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

from surefoot_agent import tls
from surefoot_shared.errors import ConfigError

LOOK_S = 0.1
"""How soon a stop is noticed while a socket is silent."""


S = TypeVar("S", bound="socket.socket | None")


class Line:
    """The socket in use on this thread, which `cut` shuts down from another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.was_cut = False

    def hold(self, connection: S) -> S:
        """Take note of the socket in use; one that comes after the cut is cut at once."""
        with self._lock:
            self._socket = connection
        if self.was_cut:
            self.cut()
        return connection

    def cut(self) -> None:
        with self._lock:
            self.was_cut = True
            if self._socket is not None:
                try:
                    # The plain call: SSLSocket.shutdown would first drop the TLS state under the reading thread.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    return  # it is closed already, which is what was wanted


def make_pool(
    ca_file: Path | None, line: Line, connect_timeout_s: float, read_timeout_s: float, public: bool = False
) -> urllib3.PoolManager:
    """Return a pool whose every connection registers itself with `line`. Raises ConfigError for an unreadable CA.

    `public`: the system's authorities are trusted too, for places that are given no token.
    """
    pool = urllib3.PoolManager(
        num_pools=4,
        maxsize=1,
        retries=False,
        timeout=urllib3.Timeout(connect=connect_timeout_s, read=read_timeout_s),
        ssl_context=_context(ca_file, public),
    )
    pool.pool_classes_by_scheme = _pool_classes(line)
    return pool


@contextmanager
def watched(line: Line, over: Callable[[], bool]) -> Iterator[None]:
    """Cut the line as soon as `over()` says so, until the block ends."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_S):
            if over():
                line.cut()
                return

    line.was_cut = False
    thread = threading.Thread(target=watch, name="download-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _context(ca_file: Path | None, public: bool) -> ssl.SSLContext:
    try:
        made = tls.context(ca_file)
        if public:
            made.load_default_certs()
        return made
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("config_unreadable", f"The fleet CA {ca_file} cannot be read: {error}.") from error


def _pool_classes(line: Line) -> dict[str, Any]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return line.hold(super()._new_conn())

        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it; a kept socket is held anew
            line.hold(self.sock)
            return super().getresponse()

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return line.hold(super()._new_conn())  # before TLS, which can be dripped as well

        def connect(self) -> None:
            super().connect()
            line.hold(self.sock)

        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
            line.hold(self.sock)
            return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
