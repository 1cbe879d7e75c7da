"""Read a folder as the tree of a release, strictly: only what lands the same on every device; and copy its blobs.

Refuses, with one sentence that names the path: symbolic links, devices, sockets and pipes, set-user-id and set-group-id
files, whatever `surefoot_shared.paths` refuses on every device, and an empty folder. Order does not depend on the file
system, so the same folder gives the same release everywhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from surefoot_shared.errors import Invalid
from surefoot_shared.paths import check_tree_path, refuse_twins
from surefoot_shared.release import TreeFile

CHUNK_BYTES = 1024 * 1024
CHANGED = "changed while it was read"
MEND = "Mend the folder, then build the release again."

Progress = Callable[[int, int], None]
"""(bytes read, bytes in all)."""


def read_tree(folder: Path, blobs: Path, progress: Progress) -> tuple[TreeFile, ...]:
    """Return every regular file, sorted by path, and copy each into `blobs` under its sha256. Raises Invalid."""
    if not folder.is_dir():
        raise _refused(str(folder), "is not a folder")
    found = sorted(_walk(os.fsencode(folder), ""), key=lambda item: item[0])
    if not found:
        raise _refused(str(folder), "holds no file")
    with _as_refusal():
        refuse_twins(path for path, _ in found)
    total, done, files = sum(status.st_size for _, status in found), 0, []
    for path, status in found:
        file = _copy(os.path.join(os.fsencode(folder), path.encode()), path, status, blobs)
        files.append(file)
        done += file.size
        progress(done, total)
    return tuple(files)


def _walk(folder: bytes, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Names are UTF-8 whatever the locale says: a legacy one would give the release another digest."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name.decode('utf-8', 'surrogateescape')}"
            status = entry.stat(follow_symlinks=False)
            with _as_refusal():
                check_tree_path(path)
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path, f"{path}/")
            else:
                _check_kind(path, status.st_mode)
                yield path, status


@contextmanager
def _as_refusal() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Invalid("malformed", f"{error}.", MEND) from error


def _check_kind(path: str, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise _refused(path, "is a symbolic link; put the file itself there")
    if not stat.S_ISREG(mode):
        raise _refused(path, "is a device, socket or pipe")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise _refused(path, "is set-user-id or set-group-id")


def _copy(source: bytes, path: str, status: os.stat_result, blobs: Path) -> TreeFile:
    """Hash and copy in one read, so that the blob is what was hashed even while somebody writes to the file."""
    digest, size, part = hashlib.sha256(), 0, blobs / ".part"
    with _opened(source, path) as file, part.open("wb") as copy:
        _refuse_another(file, path, status)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
        _refuse_another(file, path, status)
    if size != status.st_size:
        raise _refused(path, CHANGED)
    part.replace(blobs / digest.hexdigest())
    mode = 0o755 if status.st_mode & 0o111 else 0o644
    return TreeFile(path, mode, size, digest.hexdigest())


def _opened(source: bytes, path: str) -> FileIO:
    """Open what was a file a moment ago: a link is not followed, and a pipe not waited for."""
    try:
        return open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
        raise _refused(path, CHANGED) from error


def _refuse_another(file: FileIO, path: str, status: os.stat_result) -> None:
    """Raise Invalid unless it is still the file, of the kind and with the times, that was looked at."""
    now = os.fstat(file.fileno())
    if any(getattr(now, each) != getattr(status, each) for each in ("st_ino", "st_mode", "st_size", "st_mtime_ns")):
        raise _refused(path, CHANGED)


def _refused(path: str, why: str) -> Invalid:
    return Invalid("malformed", f"{path} {why}.", MEND)
