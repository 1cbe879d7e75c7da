"""Restart the machine in order, by its own init; the commands are fixed, and nothing from a release reaches them.

Promises: returns once init has taken the order; what the caller then waits for is its own end. Refuses the short cut of
the system call: services are stopped and filesystems unmounted first.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from surefoot_shared.errors import InstallFailed

SYSTEMD = ("systemctl", "--no-block", "reboot")
INIT = ("/sbin/reboot",)
"""Every other init's own."""
SYSTEMD_RUNS = Path("run/systemd/system")
"""sd_booted(3)."""
ORDER_LIMIT_S = 30.0


def command(system: Path = Path("/")) -> tuple[str, ...]:
    """Return the command that restarts this machine."""
    return SYSTEMD if (system / SYSTEMD_RUNS).is_dir() else INIT


def restart_machine() -> None:
    """Order the restart. Raises InstallFailed(restart_failed)."""
    order(command())


def order(argv: tuple[str, ...]) -> None:
    """Run the command; raises InstallFailed(restart_failed) where it is refused, missing, or does not end."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ORDER_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed("restart_failed", f"{argv[0]} cannot be run: {error}.") from error
    if done.returncode > 0:  # below: it was ended by a signal, as init ends everything on the way down
        last = done.stderr.strip().rpartition("\n")[2]
        raise InstallFailed("restart_failed", f"{argv[0]} ended with {done.returncode}: {last}")
