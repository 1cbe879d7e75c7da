"""Writes that are on the medium when the call returns, and one lock per trust folder.

Promises: after `write_durably` a power cut leaves the old or the new content, never a mixture or an empty file (as far
as the file system keeps its word about rename; the floors do not rely on it). Refuses nothing; OSError passes through.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SIDE_BY_SIDE = 4
"""Threads that wait for the medium: it answers several requests in one flush, one after the other takes one each."""
BATCH = 32
"""Files that are open at once; a verification may have 64."""


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file: write beside it, fsync, rename, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, content, mode)
    sync_folder(path.parent)


def write_all_durably(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace files of one folder in this order, each whole; their names are made durable together."""
    for name, content in contents.items():
        _replace(folder / name, content, 0o600)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make names in this folder durable; the files in it are the caller's business."""
    _sync(folder)


def sync_trees(*folders: Path) -> None:
    """Make every regular file and folder below durable, in no order: what python-tuf wrote without fsync."""
    paths = [path for folder in folders for path in _below(folder)]
    for start in range(0, len(paths), BATCH):
        with ExitStack() as opened:
            descriptors = []
            for path in paths[start : start + BATCH]:
                descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                opened.callback(os.close, descriptors[-1])
            _sync_all(descriptors)


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


def _replace(path: Path, content: bytes, mode: int) -> None:
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


def _below(folder: Path) -> Iterator[Path]:
    for here, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                yield path
        yield Path(here)


def _sync_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):  # a folder, or a file system that takes no advice: fsync does all of it
            os.posix_fadvise(
                descriptor, 0, 0, os.POSIX_FADV_DONTNEED
            )  # begin to write each before waiting for the first
    try:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for _ in pool.map(os.fsync, descriptors):
                pass
    except RuntimeError:  # no room for a thread: one after the other
        for descriptor in descriptors:
            os.fsync(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
