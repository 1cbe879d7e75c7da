"""The application's data before and after an update: a whole copy before the switch, put back where it did not hold.

Promises: the copy is on the medium, every file and every name of it, before the record that says so; room is checked
before the first byte; whole files only, so nothing that is written later shows in the copy (clones of the file system
where it can, else copies, never hard links: a database is changed in place); every step may be repeated after a death.
Putting back is `guard.restore_data`, as the guard may have to do it alone; what the reverted release recorded stays in
`data.aside` until the next update takes its copy. Hold the trial lock; the application must not run.

On disk, in the component's folder: data/, data.before/, data.aside/, data.0 and data.1 (the record, two generations).
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from surefoot_agent import durable, guard
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, Invalid

log = logging.getLogger(__name__)
FICLONE = 0x40049409
"""ioctl: share the blocks of another file, copy-on-write (btrfs, XFS, bcachefs, overlays of these)."""
CHUNK_BYTES = 1024 * 1024
ZEROS = bytes(CHUNK_BYTES)
DEPTH = 100
"""Of folders in folders: more is a trick, or a fault that a copy would only prolong."""
SLOWEST_COPY_BYTES_PER_S = 4 * 1024 * 1024
"""For the trial's budget: an SD card that is also read from writes no slower."""


class Phase(str, Enum):
    KEPT = "kept"
    """The copy is whole; until another phase is written, a way back puts it in place."""
    GOING_BACK = "going_back"
    """The backward migration was begun: where it does not end, the copy is put back."""
    GONE_BACK = "gone_back"
    RESTORED = "restored"
    COMMITTED = "committed"


class Irreversible(str, Enum):
    NONE = "none"
    PENDING = "pending"
    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True)
class Kept:
    """What the record says. `irreversible` and `digest` are about the release that was committed last."""

    assignment: str
    attempt: int
    phase: Phase
    from_version: str
    to_version: str
    migrated: bool = False
    irreversible: Irreversible = Irreversible.NONE
    digest: str = ""
    floor: int = 0
    """Lowest counter of a release that can use the data: they were changed for good."""
    v: int = 1


class DataFolder:
    """The data of one component."""

    def __init__(self, component_dir: Path, reserve_bytes: int = 0) -> None:
        self._folder, self._reserve_bytes = component_dir, reserve_bytes
        self._data = component_dir / guard.DATA
        self._before, self._aside = component_dir / guard.DATA_BEFORE, component_dir / guard.DATA_ASIDE
        self._copy = component_dir / "data.copy"

    def kept(self) -> Kept | None:
        """Return the record, None where there is none that this version reads."""
        stored = guard.load_record(self._folder, "data")
        if stored is None:
            return None
        try:
            return wire.decode(Kept, wire.encode(stored))
        except Invalid:
            return None

    def of(self, assignment: str, attempt: int) -> Kept | None:
        """Return the record if it belongs to this attempt."""
        kept = self.kept()
        return kept if kept is not None and (kept.assignment, kept.attempt) == (assignment, attempt) else None

    def size_bytes(self) -> int:
        """What a copy takes where the file system cannot clone."""
        return _size_bytes(self._data)

    def room(self) -> None:
        """Raise InstallFailed(no_space) unless a copy fits beside the reserve; what was set aside makes room for it."""
        state = os.statvfs(self._folder)
        free = state.f_bavail * state.f_frsize + _size_bytes(self._aside)
        needed = self._reserve_bytes + (0 if self._clones() else self.size_bytes())
        if needed > free:
            message = f"A copy of the data needs {needed} bytes with the reserve; {free} are free."
            raise InstallFailed("no_space", message)

    def keep(self, kept: Kept) -> Kept:
        """Make the copy and then the record of it. Raises InstallFailed (data_not_kept, no_space)."""
        with _disk():
            self._forget_copies()
            self.room()
            self._make_copy()
            self._take_copy()
        return self.save(kept)

    def save(self, kept: Kept) -> Kept:
        with _disk():
            plain = wire.to_json(kept)
            assert isinstance(plain, dict)  # to_json of a dataclass is an object
            guard.save_record(self._folder, "data", plain)
        return kept

    def change(self, kept: Kept, **changes: object) -> Kept:
        return self.save(replace(kept, **changes))  # type: ignore[arg-type]  # names of fields, checked by replace

    def restore(self, kept: Kept) -> None:
        """Put the data back as they were; see guard.restore_data."""
        with _disk():
            guard.restore_data(self._folder, kept.assignment, kept.attempt)

    def drop(self) -> None:
        """Remove the copy; the record says before that it is not needed any more."""
        with suppress(OSError):  # a disk that will not: the next update tries again before it makes its own
            shutil.rmtree(self._before)
            guard.fsync_folder(self._folder)

    def _forget_copies(self) -> None:
        for path in (self._copy, self._before, self._aside):
            if path.exists():
                shutil.rmtree(path)
        guard.fsync_folder(self._folder)

    def _make_copy(self) -> None:
        durable.make_folder(self._data)
        copy_tree(self._data, self._copy)

    def _take_copy(self) -> None:
        os.replace(self._copy, self._before)
        guard.fsync_folder(self._folder)

    def _clones(self) -> bool:
        """Ask the file system, with two small files."""
        source, target = self._folder / "clone.probe", self._folder / "clone.probe.copy"
        try:
            source.write_bytes(b"x" * 4096)
            with source.open("rb") as read, target.open("wb") as write:
                return _cloned(read.fileno(), write.fileno())
        except OSError:
            return False
        finally:
            for path in (source, target):
                path.unlink(missing_ok=True)


def copy_tree(source: Path, target: Path) -> None:
    """Copy folders, files and symbolic links, with their owners, modes and times; fsync all of it. Raises OSError.

    Inside `source` no link is followed, also where one is put in the place of a file at this moment: a process that
    outlived the application could have root copy what it may not read itself.
    """
    with _opened(source, os.O_DIRECTORY) as folder:
        _copy_folder(folder, target, 1)


def _copy_folder(source: int, target: Path, depth: int) -> None:
    if depth > DEPTH:
        raise OSError(errno.ELOOP, f"its folders are nested deeper than {DEPTH}")
    target.mkdir(mode=0o700)
    for name in sorted(os.listdir(source)):
        status, to = os.stat(name, dir_fd=source, follow_symlinks=False), target / name
        if stat.S_ISLNK(status.st_mode):
            to.symlink_to(os.readlink(name, dir_fd=source))
            _own(status, to)
        elif stat.S_ISDIR(status.st_mode):
            with _opened(name, os.O_DIRECTORY | os.O_NOFOLLOW, source) as folder:
                _copy_folder(folder, to, depth + 1)
        elif stat.S_ISREG(status.st_mode):
            with _opened(name, os.O_NONBLOCK | os.O_NOFOLLOW, source) as file:
                _copy_file(file, to)
        else:  # a socket or a pipe means nothing without the process that made it
            log.info("data_not_copied path=%s", to.name)
    shutil.copystat(f"/proc/self/fd/{source}", target)
    _own(os.fstat(source), target)
    guard.fsync_folder(target)


def _copy_file(source: int, target: Path) -> None:
    if not stat.S_ISREG(os.fstat(source).st_mode):
        raise OSError(errno.EINVAL, f"{target.name} became something else while it was copied")
    with open(source, "rb", closefd=False) as read, target.open("wb") as write:
        if not _cloned(read.fileno(), write.fileno()):
            while chunk := read.read(CHUNK_BYTES):
                if chunk == ZEROS:
                    write.seek(len(chunk), os.SEEK_CUR)  # a hole stays a hole
                else:
                    write.write(chunk)
            write.truncate(read.tell())
        shutil.copystat(f"/proc/self/fd/{source}", target)
        _own(os.fstat(source), target)
        write.flush()
        os.fsync(write.fileno())


@contextmanager
def _opened(path: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def _own(status: os.stat_result, target: Path) -> None:
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def _cloned(read: int, write: int) -> bool:
    try:
        fcntl.ioctl(write, FICLONE, read)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False
    return True


def _size_bytes(folder: Path) -> int:
    """Bytes on the medium, counted in whole blocks, at least one for each name."""
    total = 0
    for path in _walk(folder):
        with suppress(FileNotFoundError):
            status = path.lstat()
            total += max(4096, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 4096
    return total


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        yield from (Path(root) / name for name in (*folders, *files))


@contextmanager
def _disk() -> Iterator[None]:
    """Translate what the disk says into what the device reports."""
    try:
        yield
    except (OSError, shutil.Error, RecursionError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise InstallFailed("no_space", "The disk became full while the data were copied.") from error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InstallFailed("data_not_kept", f"The data cannot be copied or put back: {reason}.") from error
