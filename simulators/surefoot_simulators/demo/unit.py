"""One service, kept running: what systemd does for a device's agent and guard, on a machine that simulates twelve.

Promises: a process that ends is started again after `restart_s`, as Restart=always does; `stop` ends the process, its
group and the restarting, whatever the process does; nothing it started outlives `stop`. The children run in sessions
of their own, so Ctrl-C in the terminal reaches the demonstration alone, which then stops them in order.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Unit:
    """A named process with its environment and log. `restart_s=None`: it runs once."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        restart_s: float | None = 1.0,
    ) -> None:
        self.name, self.log = name, log
        self.exits: list[int] = []
        """Exit codes of the runs that ended; negative: the signal that ended it."""
        self._argv, self._env = tuple(argv), dict(env)
        self._restart_s = restart_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now, None between two."""
        with self._lock:
            return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def alive(self) -> bool:
        return self.pid is not None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._keep, name=f"unit-{self.name}", daemon=True)
        self._thread.start()

    def set_env(self, name: str, value: str | None) -> None:
        """Set or, with None, remove a variable; the next start sees it."""
        with self._lock:
            self._env.pop(name, None)
            if value is not None:
                self._env[name] = value

    def kill(self) -> None:
        """SIGKILL the process and its group: no handler runs, no file is closed. It is restarted as after any end."""
        self._signal(signal.SIGKILL)

    def request_stop(self) -> None:
        """SIGTERM, and no restart; `stop` waits for the end."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def stop(self, wait_s: float = 5.0) -> None:
        """End it for good: SIGTERM, after `wait_s` SIGKILL."""
        self.request_stop()
        if self._thread is None:
            return
        self._thread.join(wait_s)
        until_s = time.monotonic() + 10.0
        while self._thread.is_alive() and time.monotonic() < until_s:
            self._signal(signal.SIGKILL)
            self._thread.join(0.2)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self.exits.append(self._spawn().wait())
            if self._restart_s is None or self._stopping.wait(self._restart_s):
                return

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._lock, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            # A stop that came between the look at the flag and the start would otherwise miss this process.
            if self._stopping.is_set():
                self._process.terminate()
            return self._process

    def _signal(self, number: signal.Signals) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._process is not None and self._process.poll() is None:
                os.killpg(self._process.pid, number)
