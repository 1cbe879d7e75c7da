"""What a disk says that is full or read-only, call by call."""

from __future__ import annotations

import errno
import os
import sqlite3
from enum import Enum


class Fault(str, Enum):
    """How a disk refuses: what takes room, or every change."""

    FULL = "full"
    READ_ONLY = "read-only"


TAKES_ROOM = ("open", "write", "mkdir", "symlink", "link")
"""What a full disk refuses. A rename, a removal and an fsync need none; a write over old bytes is let through below."""
SAID = {Fault.FULL: "database or disk is full", Fault.READ_ONLY: "attempt to write a readonly database"}
"""SQLite's own words."""


def refuse(fault: Fault, what: str) -> None:
    """Raise what the kernel or SQLite would raise for this change; nothing where it goes through all the same."""
    verb = what.split()[0]
    if verb in ("start", "stop", "fsync"):
        return
    if verb == "journal":
        raise sqlite3.OperationalError(SAID[fault])
    if fault is Fault.READ_ONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if verb in TAKES_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
