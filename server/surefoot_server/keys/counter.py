"""One number for the whole fleet that only rises: versions of everything the server signs, and sequence numbers.

It is the time in milliseconds, forced upwards: a device that takes a file of its neighbour cannot be locked out by a
higher count, and a server restored from a backup does not count below what devices have seen. A mark ahead of the count
is stored, so that not every number costs an fsync; after a crash the count goes on from the mark.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.durable import write_durably

_AHEAD = 60_000
"""At most a minute of numbers is skipped by a crash."""


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class FleetCounter:
    """Safe to call from several threads of one process; one process per file."""

    def __init__(self, path: Path, now_ms: Callable[[], int] = _milliseconds) -> None:
        self._path, self._now_ms = path, now_ms
        self._lock = threading.Lock()
        self._last = self._mark = _read(path)

    def next(self) -> int:
        """Return a number above every one returned before, also before a crash or with the clock set back."""
        with self._lock:
            number = max(self._last + 1, self._now_ms())
            if number >= self._mark:
                write_durably(self._path, b"%d\n" % (number + _AHEAD))
                self._mark = number + _AHEAD
            self._last = number
            return number


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0
    except ValueError as error:
        hint = "Restore it from a backup, or write into it a number above the time in milliseconds."
        raise ConfigError("config_unreadable", f"The fleet counter {path} is unreadable.", hint) from error
