"""The two HTTP listeners in one process and one event loop: sockets are taken first, so a taken port is told by name.

Promises: both serve or neither; `stop` ends them within GRACE_S whatever clients do; signals stay with the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from surefoot_server.pki.files import PkiFiles
from surefoot_shared.errors import ConfigError

logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it tells of its start and end, once for each listener
GRACE_S = 3
"""A download in flight resumes by Range, so nobody is worth waiting longer for."""
BACKLOG = 1024


def take_port(host: str, port: int, purpose: str) -> socket.socket:
    """Bind and hold the port; raises ConfigError(port_in_use) that names it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. asyncio sets it only where a socket names its protocol; without it a small body behind its
    # head waits 40 ms for the other side's delayed acknowledgement: 15,600 small files took 12 minutes.
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                "port_in_use", f"Port {port} ({purpose}) on {host} is taken by another program."
            ) from error
        raise ConfigError("config_invalid", f"{host}:{port} ({purpose}) cannot be used: {error.strerror}.") from error
    return taken


@dataclass(frozen=True, slots=True)
class Listener:
    """An application on a socket; with certificates it speaks TLS."""

    app: FastAPI
    socket: socket.socket
    pki: PkiFiles | None = None


class Listeners:
    """Serve until stopped; `serve` blocks, `stop` may be called from any thread or signal handler."""

    def __init__(self, listeners: Sequence[Listener], on_stop: Callable[[], None] = lambda: None) -> None:
        self._on_stop = on_stop
        self._servers = [_QuietServer(_config(one)) for one in listeners]
        self._sockets = [one.socket for one in listeners]

    def serve(self, on_ready: Callable[[], None]) -> None:
        """Call `on_ready` once both accept, then block until `stop`."""
        asyncio.run(self._serve(on_ready))

    def stop(self) -> None:
        """Take no more; `on_stop` ends what would never end by itself."""
        self._on_stop()
        for server in self._servers:
            server.should_exit = True

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        runs = [s.serve(sockets=[taken]) for s, taken in zip(self._servers, self._sockets, strict=True)]
        serving = asyncio.gather(*runs)
        while not serving.done() and not all(server.started for server in self._servers):
            await asyncio.sleep(0.01)
        if not serving.done():
            on_ready()
        await serving


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: two servers would each take them from the other."""
        yield


def _config(listener: Listener) -> uvicorn.Config:
    config = uvicorn.Config(
        listener.app,
        log_config=None,
        access_log=False,  # an address with a query may hold what a person typed
        server_header=False,
        date_header=True,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=30,
        proxy_headers=False,  # no header of a client's may say who it is
        ssl_certfile=str(listener.pki.server_cert) if listener.pki else None,
        ssl_keyfile=str(listener.pki.server_key) if listener.pki else None,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config
