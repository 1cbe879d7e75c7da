"""Room on the disk below the server: which errors mean that it is full, and what /healthz says of it.

Promises: one sentence that names the folder and the numbers. Refuses to free anything itself.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

HINT = "Free space in the server's data folder, or move it to a larger disk."
SMALL_RESERVE_BYTES = 64 * 1024 * 1024
"""Below this the database's log and the journal of the broker no longer have room for a busy minute."""
FULL_WORDS = ("disk is full", "no space left on device", "could not extend file", "disk full")
"""What SQLite and PostgreSQL say; the driver's error classes differ between them."""


def is_full(error: BaseException) -> bool:
    """Whether a write failed because the disk, or the quota of its user, is used up."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    said = str(error).lower()
    return any(words in said for words in FULL_WORDS)


def problem(data_dir: Path, failed_lately: bool) -> str:
    """One sentence where the server cannot store what devices say, or soon cannot; else nothing."""
    try:
        free_bytes = shutil.disk_usage(data_dir).free
    except OSError as error:
        return f"The data folder {data_dir} cannot be read: {error.strerror}."
    if free_bytes < SMALL_RESERVE_BYTES:
        room = f"{free_bytes / (1 << 20):.1f} MiB are free and {SMALL_RESERVE_BYTES >> 20} MiB are needed"
        return f"The disk below {data_dir} is full: {room}. {HINT}"
    return f"The database had no room for its last write. {HINT}" if failed_lately else ""
