"""Writes that are on the medium when the call returns, and one lock per trust folder.

Promises: after `write_durably` a power cut leaves the old or the new content, never a mixture or an empty file (as far
as the file system keeps its word about rename; the floors do not rely on it). Refuses nothing; OSError passes through.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file: write beside it, fsync, rename, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in this folder durable; the files in it are the caller's business."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Make every regular file and folder below durable: what python-tuf wrote and renamed but did not fsync."""
    for here, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                _sync(path)
        _sync(Path(here))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: python-tuf allows one process per folder, and floors are read, changed and written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
