"""What is on its way and must be whole before it can be used, packs above all: on disk, so that a restart goes on.

Promises: what was written stays for whoever comes after a death or a power cut, and is written to the medium seldom
(`SYNC_BYTES`), for flash wears; the folder never holds more than what one update needs. Refuses to believe what it
finds: whoever uses an object checks what comes out of it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.durable import write_all
from surefoot_agent.guard import write_file
from surefoot_shared.errors import InstallFailed

SYNC_BYTES = 8 * 1024 * 1024
"""At most this much is fetched again after a power cut."""
MARK, USED = ".mark", ".used"
INODES = 4
"""The object, its mark, the mark's next version, and the folder's own."""


class Spool:
    """The folder of one component; `reserve_bytes` of its disk are never touched."""

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        self._folder, self._reserve_bytes = folder, reserve_bytes

    def room_bytes(self) -> int:
        """How large an object may be that is put here."""
        folder = next(each for each in (self._folder, *self._folder.parents) if each.is_dir())
        state = os.statvfs(folder)
        if state.f_files and state.f_favail <= INODES:
            return 0
        return max(0, state.f_bavail * state.f_frsize - self._reserve_bytes)

    def has_bytes(self, name: str) -> int:
        """How much of an object is here."""
        try:
            return (self._folder / name).stat().st_size
        except OSError:
            return 0

    def path(self, name: str) -> Path:
        return self._folder / name

    def finish(self, name: str) -> None:
        """Drop an object whose bytes are in place, and remember that it was used up."""
        self.drop(name)
        write_file(self._folder / (name + USED), b"")

    def is_used_up(self, name: str) -> bool:
        return (self._folder / (name + USED)).exists()

    def keep(self, names: Collection[str]) -> None:
        """Drop whatever is not one of these."""
        if not self._folder.is_dir():
            return
        for entry in list(os.scandir(self._folder)):
            if entry.name.removesuffix(MARK).removesuffix(USED) not in names:
                os.unlink(entry.path)

    def drop(self, name: str) -> None:
        for file in (self._folder / name, self._folder / (name + MARK)):
            file.unlink(missing_ok=True)

    @contextmanager
    def object(self, name: str) -> Iterator[Held]:
        """Open an object, from where it stopped. Raises InstallFailed(no_space) and (slot_write_failed)."""
        try:
            durable.make_folder(self._folder)
            path = self._folder / name
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                held = Held(handle, path.with_name(name + MARK))
                yield held
                held.sync()
            finally:
                os.close(handle)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            message = f"What is on its way cannot be kept: {error.strerror}."
            raise InstallFailed("no_space" if full else "slot_write_failed", message) from error


class Held:
    """One object while it grows."""

    def __init__(self, handle: int, mark: Path) -> None:
        self.handle, self._mark = handle, mark
        self.size_bytes = os.lseek(handle, 0, os.SEEK_END)
        self._unsynced = 0

    def append(self, chunk: bytes) -> None:
        os.lseek(self.handle, self.size_bytes, os.SEEK_SET)
        write_all(self.handle, chunk)
        self.size_bytes += len(chunk)
        self._unsynced += len(chunk)
        if self._unsynced >= SYNC_BYTES:
            self.sync()

    def put(self, at: int, chunk: bytes) -> None:
        """Write somewhere; what lies between is a hole."""
        view = memoryview(chunk)
        while view:
            written = os.pwrite(self.handle, view, at)
            at, view = at + written, view[written:]
        self.size_bytes = max(self.size_bytes, at)
        self._unsynced += len(chunk)

    def stored_bytes(self) -> int:
        """What it takes of the disk: holes take nothing."""
        return os.fstat(self.handle).st_blocks * 512

    def mark(self) -> str:
        """What was noted of this object, empty for nothing: whose version it is, or which of its chunks are here."""
        try:
            return self._mark.read_text()
        except (OSError, ValueError):
            return ""

    def set_mark(self, text: str) -> None:
        """Note it, for good; what was written before is on the medium first."""
        self.sync()
        write_file(self._mark, text.encode())

    def restart(self) -> None:
        """Forget everything: it is another object by now, or was never what it should be."""
        self.cut(0)

    def cut(self, size_bytes: int) -> None:
        """Keep the beginning alone, and no note."""
        os.ftruncate(self.handle, size_bytes)
        self.size_bytes, self._unsynced = size_bytes, 0
        self._mark.unlink(missing_ok=True)

    def spend(self) -> None:
        """Its bytes are where they belong: it goes, and the medium is spared what of it was not written yet."""
        self._unsynced = 0

    def sync(self) -> None:
        if self._unsynced:
            os.fsync(self.handle)
            self._unsynced = 0
