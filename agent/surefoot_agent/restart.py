"""Restart the machine in order, by its own init; the commands are fixed, and nothing from a release reaches them.

Promises: returns once init has taken the order; what the caller then waits for is its own end. Refuses the short cut of
the system call: services are stopped and filesystems unmounted first.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from surefoot_agent.way_back import restarts
from surefoot_shared.errors import InstallFailed

ORDER_LIMIT_S = 30.0
RESTART_LIMIT_S = 120.0
"""systemd gives every service 90 s to stop before it kills it and goes on."""
LOOK_S = 0.2


def restart_machine(system: Path = Path("/")) -> None:
    """Order the restart. Raises InstallFailed(restart_failed) where it is refused, missing, or does not end."""
    commands = restarts(system)
    if not commands:
        raise InstallFailed("restart_failed", "There is no command on this machine that restarts it.")
    argv = commands[0]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ORDER_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed("restart_failed", f"{argv[0]} cannot be run: {error}.") from error
    if done.returncode > 0:  # below: it was ended by a signal, as init ends everything on the way down
        last = done.stderr.strip().rpartition("\n")[2]
        raise InstallFailed("restart_failed", f"{argv[0]} ended with {done.returncode}: {last}")


def restart_and_wait(restart: Callable[[], None], limit_s: float = RESTART_LIMIT_S) -> None:
    """Order the restart and wait for the end of this process; returns where the machine is still up after a while."""
    restart()
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s and threading.main_thread().is_alive():
        time.sleep(LOOK_S)
