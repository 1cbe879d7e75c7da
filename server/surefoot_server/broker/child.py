"""A program that must keep running as a child of the server: started, watched, started again, never left behind.

Promises: `start` returns once the program listens, or raises with its last words; a child that dies is started again
with a growing delay; what it prints is logged; one that a killed server left behind is ended before a new one starts.
Refuses to guess whose process it is: only one whose command line names our own configuration file is ended.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from surefoot_server.pki.files import write_private
from surefoot_shared.errors import ConfigError

log = logging.getLogger(__name__)

READY_S = 20.0
"""A cold Python on a busy two-core machine needs a few seconds; mosquitto 0.2."""
STOP_S = 5.0
RESTART_BASE_S = 0.2
RESTART_CAP_S = 10.0
STEADY_S = 30.0
"""A child that lived this long starts its next delay from the beginning."""


class Child:
    """`marker` is the configuration file in argv by which a stale process is recognised.

    Lines that hold one of `expected` are what it says of a setting that is meant so: they are logged as DEBUG.
    """

    def __init__(
        self, name: str, argv: Sequence[str], marker: Path, address: tuple[str, int], expected: Sequence[str] = ()
    ) -> None:
        self.name, self._argv, self._marker, self._address = name, list(argv), marker, address
        self._expected = tuple(expected)
        self._pid_file = marker.with_suffix(".pid")
        self._tail: collections.deque[str] = collections.deque(maxlen=20)
        self._process: subprocess.Popen[str] | None = None
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._supervise, name=f"child-{name}", daemon=True)
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start and wait until it accepts connections; raises ConfigError with its last lines where it does not."""
        end_stale(self._pid_file, self._marker)
        self._thread.start()
        until = time.monotonic() + READY_S
        while not self.accepts():
            if self._ended.wait(0.05) or time.monotonic() > until:
                words = " / ".join(self._tail) or "it said nothing"
                self.stop()
                raise ConfigError("config_invalid", f"{self.name} did not start: {words}.", "Read its words above.")

    def accepts(self) -> bool:
        host = self._address[0] if self._address[0] not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
        try:
            with socket.create_connection((host, self._address[1]), timeout=1):
                return self.pid is not None
        except OSError:
            return False

    def reload(self) -> None:
        """SIGHUP: read the configuration again."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGHUP)

    def stop(self) -> None:
        self._stopping.set()
        if self._process is not None:
            _end(self._process)
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_S)
        self._pid_file.unlink(missing_ok=True)

    def _supervise(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                return
            failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
            log.error("child_died name=%s code=%s restarts=%d", self.name, code, self.restarts)
            self._ended.set()
            self._stopping.wait(min(RESTART_CAP_S, RESTART_BASE_S * 2 ** min(failures - 1, 10)))
            self.restarts += 1

    def _run_once(self) -> int:
        # A session of its own: Ctrl-C in the terminal is for the server, which then stops its child in order.
        process = self._process = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        write_private(self._pid_file, str(process.pid).encode())
        if self._stopping.is_set():
            _end(process)
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._tail.append(line.rstrip())
                level = logging.DEBUG if any(words in line for words in self._expected) else logging.INFO
                log.log(level, "child_says name=%s line=%s", self.name, line.rstrip())
        return process.wait()


def free_port(host: str, port: int) -> int:
    """Return a port that can be listened on (a free one for 0); raises ConfigError port_in_use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"Port {port} on {host} cannot be used: {error.strerror}."
            raise ConfigError("port_in_use", message) from error
        return int(probe.getsockname()[1])


def end_stale(pid_file: Path, marker: Path) -> None:
    """End the process that a killed server left behind, where it provably is ours."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if os.fsencode(marker) not in words:
        return
    log.warning("stale_child_ended pid=%d marker=%s", pid, marker)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        if _gone(pid, STOP_S):
            return


def _gone(pid: int, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=STOP_S)
