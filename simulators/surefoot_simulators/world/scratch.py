"""Where a simulated world keeps its files: in memory where there is room, since nobody needs them back.

Promises: folders are in memory only where the fleet fits there (a container's memory disk has 64 MB); all of a process
go when it ends, and those of one that was killed, and a broker that it left behind, with the next that begins.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import tempfile
import time
from pathlib import Path

from surefoot_server.broker.child import end_stale

MEMORY_DISK = Path("/dev/shm")  # noqa: S108 -- a memory file system, where there is one: fsync costs nothing
PREFIX = "surefoot-world-"
SMALL_BYTES = 16_000_000
DEVICE_BYTES, SERVER_BYTES = 2_000_000, 16_000_000
"""Twice what was seen of ten devices through eight days: several worlds may be played at a time."""
NEWBORN_S = 60.0
"""A folder so young may not be locked yet."""


def scratch_folder(need_bytes: int = SMALL_BYTES) -> Path:
    """A new folder with room for so much; it goes with the process, or earlier by the caller."""
    fits = MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free >= need_bytes
    return Path(tempfile.mkdtemp(dir=_home(MEMORY_DISK if fits else Path(tempfile.gettempdir()))))


def room_for(devices: int) -> int:
    """Bytes that a world of so many devices may take."""
    return devices * DEVICE_BYTES + SERVER_BYTES


@functools.cache
def _home(base: Path) -> Path:
    sweep(base)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    fcntl.flock(os.open(home, os.O_RDONLY), fcntl.LOCK_EX)  # until this process ends, however it does
    _HOMES.append(home)
    return home


_HOMES: list[Path] = []
"""Of this process."""


@atexit.register
def leave() -> None:
    """Remove this process's folders; for one that ends at once, without what Python does at an exit."""
    for home in _HOMES:
        shutil.rmtree(home, ignore_errors=True)


def sweep(base: Path) -> None:
    """Remove what processes left that are no more."""
    for left in base.glob(f"{PREFIX}*"):
        try:
            if time.time() - left.stat().st_mtime < NEWBORN_S:
                continue
            held = os.open(left, os.O_RDONLY)
        except OSError:
            continue  # another process swept it, or it is another user's
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for pid_file in left.glob("*/broker/*.pid"):
                end_stale(pid_file, pid_file.with_suffix(".conf"))
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            pass  # its process lives
        finally:
            os.close(held)
