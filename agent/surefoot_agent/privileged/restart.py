"""Restart the machine in order, by its own init; the commands are fixed and nothing from a release reaches them.

Promises: returns once init has taken the order. Refuses nothing; raises InstallFailed(boot_failed) where it is refused.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from surefoot_agent.way_back import restarts
from surefoot_shared.errors import InstallFailed

ORDER_LIMIT_S = 30.0


def restart_machine(system: Path = Path("/")) -> None:
    commands = restarts(system)
    if not commands:
        raise InstallFailed("boot_failed", "There is no command on this machine that restarts it.")
    try:
        subprocess.run(commands[0], stdin=subprocess.DEVNULL, capture_output=True, timeout=ORDER_LIMIT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallFailed("boot_failed", f"The machine cannot be restarted: {error}.") from error
