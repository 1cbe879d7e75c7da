"""Who works here now: whether an agent and a guard hold their locks.

Promises: a lock is tried shared and without waiting and let go at once; nothing is written, and what cannot be seen is
None, not no.
"""

from __future__ import annotations

import fcntl
from pathlib import Path


def agent_runs(state_dir: Path) -> bool | None:
    return _held(state_dir / "agent.lock")


def guard_runs(component_dir: Path) -> bool | None:
    return _held(component_dir / "guard.lock")


def _held(path: Path) -> bool | None:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return False
