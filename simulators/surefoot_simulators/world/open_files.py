"""Room for the open files of a fleet: every device has a journal of its own, and a usual process may open 1,024 files.

Promises: a fleet for which this machine has no room is refused before it is played, not in the middle. Refuses to lower
a limit.
"""

from __future__ import annotations

import resource

from surefoot_shared.errors import ConfigError

A_DEVICE = 3
"""A journal, its log and the index of that."""
OTHERS = 200
"""Database, trust metadata, libraries."""


def make_room(devices: int) -> None:
    """Raise this process's limit to what so many devices need; raises ConfigError where it may not be so high."""
    needed = devices * A_DEVICE + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed <= soft or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        message = f"{devices} devices need {needed} open files, and this process may have {hard}."
        raise ConfigError("config_invalid", message, "Raise the limit (`ulimit -Hn`), or play fewer devices.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
