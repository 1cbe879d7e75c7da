"""How fast one server process hands out artifacts without TLS, beside nginx with sendfile, from the same file.

Promises: the same clients ask both, in turn, in the same run, for the same 256 MiB that lie in memory; what arrives is
counted and thrown away in the kernel, so that the client costs as little as it can; medians. nginx has one worker, as
the server has one process. An absent nginx is named with the way to install it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from surefoot_server.listeners import take_port
from surefoot_shared.errors import ConfigError
from surefoot_simulators.bench.figures import Better, Figure, Peer
from surefoot_simulators.bench.peers import started

MIB = 1024 * 1024
FILE_MIB = 256
CLIENTS = 4
ROUNDS = 3
WAIT_S = 20.0
GOAL = 0.5
NGINX = """
daemon off; master_process off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {work}/b; proxy_temp_path {work}/p;
  fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{port}; root {work}/files; }} }}
"""


def measure(work: Path, say: Callable[[str], None]) -> list[Figure]:
    (work / "files").mkdir()
    name = "a" * 64
    with (work / "files" / name).open("wb") as file:
        for _ in range(FILE_MIB):
            file.write(secrets.token_bytes(MIB))
    ours: list[float] = []
    theirs: list[float] = []
    with _outlet(work / "files") as own, _nginx(work) as other:
        for number in range(ROUNDS):
            ours.append(_fetch(own, f"/token/{name}"))
            if other:
                theirs.append(_fetch(other, f"/{name}"))
            say(f"round {number + 1} of {ROUNDS}: {ours[-1]:.0f} MB/s" + (f", nginx {theirs[-1]:.0f}" if other else ""))
    mine = statistics.median(ours)
    note = f"{CLIENTS} connections at once, one process each"
    if not theirs:
        return [Figure("distribution by one process", mine, "MB/s", 0, Better.HIGHER, (), f"{note}; {NO_NGINX}")]
    peer = statistics.median(theirs)
    return [
        Figure("distribution by one process", mine, "MB/s", GOAL * peer, Better.HIGHER, (Peer("nginx", peer),), note)
    ]


NO_NGINX = "nginx is not installed (apt-get install nginx-light)"


@contextmanager
def _outlet(files: Path) -> Iterator[int]:
    """The server's listener in a process of its own."""
    taken = take_port("127.0.0.1", 0, "artifacts")
    port = int(taken.getsockname()[1])
    os.set_inheritable(taken.fileno(), True)
    argv = [sys.executable, "-m", "surefoot_simulators.bench.distribution", str(taken.fileno()), str(files)]
    child = subprocess.Popen(argv, pass_fds=[taken.fileno()])
    taken.close()
    try:
        yield port
    finally:
        child.terminate()
        child.wait()


@contextmanager
def _nginx(work: Path) -> Iterator[int]:
    """The port of an nginx of our own, 0 where there is none."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        yield 0
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (work / "nginx.conf").write_text(NGINX.format(work=work, port=port))
    with started([program, "-p", str(work), "-c", str(work / "nginx.conf")], work, {}):
        _wait(port)
        yield port


def _wait(port: int) -> None:
    until = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _fetch(port: int, path: str) -> float:
    """MB/s of all clients together."""
    code = f"import sys; from {__name__} import drain; drain(*sys.argv[1:])"
    began = time.monotonic()
    clients = [subprocess.Popen([sys.executable, "-c", code, str(port), path, str(FILE_MIB)]) for _ in range(CLIENTS)]
    if any(client.wait() for client in clients):
        raise ConfigError("config_invalid", "A client did not get the whole file.")
    return CLIENTS * FILE_MIB * MIB / 1e6 / (time.monotonic() - began)


def drain(port: str, path: str, file_mib: str) -> None:
    """Ask for a file and throw it away in the kernel; exits 1 where it is not whole."""
    with socket.create_connection(("127.0.0.1", int(port))) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.recv(1)
        left, buffer = int(file_mib) * MIB, bytearray(MIB)
        while left and (got := line.recv_into(buffer, min(left, MIB), socket.MSG_TRUNC)):
            left -= got
    sys.exit(1 if left or b" 200 " not in head else 0)


def serve(handle: int, files: Path) -> None:
    """Run the server's listener on an inherited socket until this process is ended."""

    from surefoot_server.outlet import Found, Outlet

    outlet = Outlet(socket.socket(fileno=handle), lambda name: Found(files / name, f'"{name}"'), lambda token: token)
    outlet.start()
    signal.sigwait({signal.SIGTERM})
    outlet.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    serve(int(sys.argv[1]), Path(sys.argv[2]))
