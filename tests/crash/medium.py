"""A medium with a volatile cache under a folder: every change to it is an instant at which the world can end.

While a Medium is active, each call that changes a file, a name or a process goes through it and is a point: the world
can end before it, and within it where bytes are written (the first half arrives). After a point nothing but computing
happens until the next, so "after" one is "before" the next. A kill keeps what was written; a power cut also takes back
what was not synced: bytes and modes until fsync of their file, names until fsync of their folder, latest first, as if
nothing had reached the medium. A seed lets a part of it survive: names in the order in which they were made (as a
journalling file system replays them), bytes in any order.
SQLite's files change below Python and are left alone; its commits are points through the connection.
Refuses to be passed by: an open for writing that did not come through here is counted in `bypassed`.
"""

from __future__ import annotations

import builtins
import fcntl
import io
import os
import pathlib
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.kernel import Inode, Real, flags_of, inode_of, is_folder, quietly, read_at, restore, unrename
from tests.crash.refusals import Fault, refuse

WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT | os.O_APPEND
SYNCED = os.O_DSYNC | os.O_SYNC
SQLITE = (".db", ".db-wal", ".db-shm", ".db-journal")


class Cut(BaseException):
    """The end of the world: nothing in the code under test may catch it."""


@dataclass
class Change:
    """Something that a power cut may take back: of an inode's bytes, or of a folder's names."""

    inode: Inode
    is_name: bool
    undo: Callable[[], None]
    what: str


class Medium:
    """`cut_at` is the number of the point at which the world ends; `torn` lets the first half of its bytes arrive."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = os.path.realpath(root)
        self.trace: list[str] = []
        self.bypassed: list[str] = []
        self.cut_at, self.torn, self.dead = 0, False, False
        self.fault: Fault | None = None
        self.fault_at = 0
        self._then: tuple[int, Callable[[], None]] | None = None
        self._grave = f"{self.root}.grave"
        os.makedirs(self._grave, exist_ok=True)
        self._graves, self._changes, self._handles = 0, list[Change](), list[int]()
        self._inside_call, self._active = 0, False
        _watch_opens()

    # --- points -------------------------------------------------------------------------------------------------------

    def point(self, what: str) -> bool:
        """Mark a point; True where the world ends in the middle of it, which only bytes can ask for."""
        if self.dead:
            raise Cut(what)  # a `finally` of the dead
        self.trace.append(what)
        if self._then is not None and self._then[0] == len(self.trace):
            (_, do), self._then, self._active = self._then, None, False
            do()
            self._active = True
        self._refuse(what)
        if len(self.trace) != self.cut_at:
            return False
        if self.torn:
            return True
        self.end(what)
        return False

    def _refuse(self, what: str) -> None:
        """From the point `fault_at` on the disk refuses, until `fault` is taken away."""
        if self.fault is not None and len(self.trace) >= self.fault_at:
            refuse(self.fault, what)

    def at(self, number: int, do: Callable[[], None]) -> None:
        """Do something, unseen by the points, just before a point."""
        self._then = (number, do)

    def end(self, what: str) -> None:
        self.dead = True
        raise Cut(what)

    def cut_power(self, rng: random.Random | None = None) -> None:
        """Take back what was not synced: all of it, or what `rng` says."""
        names = [c for c in self._changes if c.is_name]
        kept = {id(c) for c in names[: rng.randint(0, len(names))]} if rng else set()
        for change in reversed(self._changes):
            stays = id(change) in kept if change.is_name else bool(rng and rng.random() < 0.5)
            if not stays:
                change.undo()
        self.revive()

    def revive(self) -> None:
        """A new process: what is there now is there for good."""
        self.dead, self.cut_at, self.torn = False, 0, False
        self.settle()

    def settle(self) -> None:
        """A shutdown in order: everything is on the medium."""
        self._changes.clear()
        for handle in self._handles:
            Real.close(handle)
        self._handles.clear()

    def close(self) -> None:
        self.revive()
        shutil.rmtree(self._grave, ignore_errors=True)

    def unsynced(self) -> list[str]:
        """What a power cut would take back now."""
        return [change.what for change in self._changes]

    # --- what changes -------------------------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = self._place(path, dir_fd)
        if place is None or not flags & WRITING or place.endswith(SQLITE):
            return self._do(lambda: Real.open(path, flags, mode, dir_fd=dir_fd))
        existed = os.path.lexists(place)
        if self._active and self.fault is Fault.READ_ONLY and len(self.trace) >= self.fault_at:
            self._refuse(f"open {self._name(place)}")  # no point, as it changes nothing, and refused all the same
        if (not existed and flags & os.O_CREAT) or (existed and flags & os.O_TRUNC):
            self.point(f"open {self._name(place)}")
        old = self._emptied(place) if existed and flags & os.O_TRUNC else None
        handle = self._do(lambda: Real.open(path, flags, mode, dir_fd=dir_fd))
        if not existed and flags & os.O_CREAT:
            self._named(place, "create", lambda: quietly(Real.unlink, place))
        if old:
            self._bytes(handle, lambda h: restore(h, 0, old, len(old)), f"truncate {self._name(place)}")
        return handle

    def write(self, handle: int, data: Any) -> int:
        if self._fd_place(handle) is None:
            return Real.write(handle, data)
        append = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_APPEND
        at = os.fstat(handle).st_size if append else os.lseek(handle, 0, os.SEEK_CUR)
        return self._written(handle, at, data, lambda part: Real.write(handle, part))

    def pwrite(self, handle: int, data: Any, at: int) -> int:
        if self._fd_place(handle) is None:
            return Real.pwrite(handle, data, at)
        return self._written(handle, at, data, lambda part: Real.pwrite(handle, part, at))

    def ftruncate(self, handle: int, size: int) -> None:
        place = self._fd_place(handle)
        if place is not None:
            self.point(f"truncate {self._name(place)}")
            old_size = os.fstat(handle).st_size
            old = read_at(handle, size, max(0, old_size - size))
            self._bytes(handle, lambda h: restore(h, size, old, old_size), f"truncate {self._name(place)}")
        Real.ftruncate(handle, size)

    def truncate(self, path: Any, size: int) -> None:
        handle = self.open(path, os.O_WRONLY)
        try:
            self.ftruncate(handle, size)
        finally:
            Real.close(handle)

    def fsync(self, handle: int) -> None:
        place = self._fd_place(handle)
        if place is None:
            return
        self.point(f"fsync {self._name(place)}")
        inode = inode_of(os.fstat(handle))
        self._changes = [c for c in self._changes if c.inode != inode]

    def sync(self) -> None:
        """Everything; on Linux it returns once that is on the medium (man 2 sync)."""
        self.point("sync")
        self._changes.clear()

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        if place is None:
            return Real.unlink(path, dir_fd=dir_fd)
        if os.path.lexists(place) and not is_folder(place):
            self.point(f"unlink {self._name(place)}")
            grave = self._bury(place)
            self._named(place, "unlink", lambda: quietly(Real.rename, grave, place))  # its folder may be gone for good
        return Real.unlink(path, dir_fd=dir_fd)

    def rename(self, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        old, new = self._place(source, src_dir_fd), self._place(target, dst_dir_fd)
        if old is not None and new is not None and os.path.lexists(old):
            self.point(f"rename {self._name(old)} {self._name(new)}")
            grave = self._bury(new) if os.path.lexists(new) and not is_folder(new) else None
            Real.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            self._named(new, "rename", lambda: unrename(old, new, grave))
            return
        Real.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def link(self, source: Any, target: Any, **given: Any) -> None:
        place = self._place(target, given.get("dst_dir_fd"))
        if place is not None:
            self.point(f"link {self._name(place)}")
        Real.link(source, target, **given)
        if place is not None:
            self._named(place, "link", lambda: quietly(Real.unlink, place))

    def symlink(self, source: Any, target: Any, is_folder: bool = False, **given: Any) -> None:
        place = self._place(target, given.get("dir_fd"))
        if place is not None:
            self.point(f"symlink {self._name(place)}")
        Real.symlink(source, target, **given)
        if place is not None:
            self._named(place, "symlink", lambda: quietly(Real.unlink, place))

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        new = place is not None and not os.path.lexists(place)
        if new:
            self.point(f"mkdir {self._name(place)}")
        Real.mkdir(path, mode, dir_fd=dir_fd)
        if new:
            self._named(place, "mkdir", lambda: shutil.rmtree(str(place), ignore_errors=True))

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        there = place is not None and os.path.isdir(place)
        if there:
            self.point(f"rmdir {self._name(place)}")
        Real.rmdir(path, dir_fd=dir_fd)
        if there:
            self._named(place, "rmdir", lambda: os.makedirs(str(place), exist_ok=True))

    def chmod(self, path: Any, mode: int, **given: Any) -> None:
        place = self._fd_place(path) if isinstance(path, int) else self._place(path, given.get("dir_fd"))
        if place is not None and os.path.lexists(place):
            self.point(f"chmod {self._name(place)}")
            old = os.stat(place).st_mode & 0o7777
            handle = Real.open(place, os.O_RDONLY | getattr(os, "O_PATH", 0))
            self._handles.append(handle)
            undo = lambda: Real.chmod(f"/proc/self/fd/{handle}", old)  # noqa: E731
            self._changes.append(Change(inode_of(os.stat(place)), False, undo, f"chmod {self._name(place)}"))
        Real.chmod(path, mode, **given)

    def copied(self, name: str) -> Callable[..., int]:
        """sendfile and copy_file_range move bytes past us: as on a kernel without them, callers fall back to writes."""

        def refuse(*given: Any, **more: Any) -> int:
            raise OSError(38, f"{name} is not there")

        return refuse

    # --- below --------------------------------------------------------------------------------------------------------

    def _written(self, handle: int, at: int, data: Any, write: Callable[[Any], int]) -> int:
        place = self._fd_place(handle)
        assert place is not None
        what = f"write {self._name(place)}"
        torn = self.point(what)
        view = memoryview(data).cast("B")
        part = view[: len(view) // 2] if torn else view
        size = os.fstat(handle).st_size
        old = read_at(handle, at, min(len(part), max(0, size - at)))
        if not fcntl.fcntl(handle, fcntl.F_GETFL) & SYNCED:
            self._bytes(handle, lambda h: restore(h, at, old, size), what)
        done = write(part) if len(part) else 0
        if torn:
            self.end(what)
        return done

    def _bytes(self, handle: int, undo: Callable[[int], None], what: str) -> None:
        own = Real.open(f"/proc/self/fd/{handle}", os.O_RDWR | os.O_CLOEXEC)
        self._handles.append(own)
        self._changes.append(Change(inode_of(os.fstat(handle)), False, lambda: undo(own), what))

    def _named(self, place: str | None, verb: str, undo: Callable[[], None]) -> None:
        assert place is not None
        folder = inode_of(os.stat(os.path.dirname(place)))
        self._changes.append(Change(folder, True, undo, f"{verb} {self._name(place)}"))

    def _emptied(self, place: str) -> bytes:
        handle = Real.open(place, os.O_RDONLY)
        try:
            return read_at(handle, 0, os.fstat(handle).st_size)
        finally:
            Real.close(handle)

    def _bury(self, place: str) -> str:
        """Keep the inode behind a name that goes."""
        self._graves += 1
        grave = f"{self._grave}/{self._graves}"
        Real.link(place, grave, follow_symlinks=False)
        return grave

    def _place(self, path: Any, dir_fd: int | None = None) -> str | None:
        """The absolute path, None where it is not ours to watch."""
        if not self._active or isinstance(path, int):
            return None
        text = os.fsdecode(os.fspath(path))
        if dir_fd is not None and not os.path.isabs(text):
            text = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), text)
        folder, name = os.path.split(os.path.abspath(text))
        place = os.path.join(os.path.realpath(folder), name)
        return place if place.startswith(self.root + os.sep) and not place.endswith(SQLITE) else None

    def _fd_place(self, handle: int) -> str | None:
        if not self._active:
            return None
        place = os.readlink(f"/proc/self/fd/{handle}").removesuffix(" (deleted)")
        return place if (place + os.sep).startswith(self.root + os.sep) and not place.endswith(SQLITE) else None

    def _name(self, place: str | None) -> str:
        return os.path.relpath(str(place), self.root)

    def _do(self, call: Callable[[], int]) -> int:
        self._inside_call += 1
        try:
            return call()
        finally:
            self._inside_call -= 1

    def saw_open(self, path: str, flags: int) -> None:
        """An audit event of the interpreter: every open of a file, whoever calls it."""
        if self._active and not self._inside_call and flags & (os.O_WRONLY | os.O_RDWR):
            place = self._place(path)
            if place is not None:
                self.bypassed.append(self._name(place))

    @contextmanager
    def active(self) -> Iterator[Medium]:
        """Stand under `os`, `open` and SQLite for as long as this lasts."""
        swaps = [(os, name, getattr(self, name)) for name in Real.NAMES]
        swaps += [(os, "replace", self.rename), (os, "remove", self.unlink), (os, "fdatasync", self.fsync)]
        swaps += [(os, "sync", self.sync)]
        swaps += [(os, "fchmod", self.chmod)]
        swaps += [(os, name, self.copied(name)) for name in ("sendfile", "copy_file_range") if hasattr(os, name)]
        swaps += [(builtins, "open", self._open_file), (io, "open", self._open_file)]
        swaps += [(sqlite3, "connect", self._connect)]
        accessor = getattr(pathlib, "_normal_accessor", None)  # Python 3.10 bound os's functions when it was imported
        swaps += [
            (accessor, n, getattr(self, n))
            for n in ("unlink", "mkdir", "rmdir", "rename", "chmod", "symlink", "link")
            if accessor
        ]
        swaps += [(accessor, "replace", self.rename), (accessor, "open", self._open_file)] if accessor else []
        kept = [(owner, name, getattr(owner, name)) for owner, name, _ in swaps]
        for owner, name, ours in swaps:
            setattr(owner, name, ours)
        self._active = True
        _media.append(self)
        try:
            yield self
        finally:
            self._active = False
            _media.remove(self)
            for owner, name, theirs in kept:
                setattr(owner, name, theirs)

    def _open_file(self, file: Any, mode: str = "r", buffering: int = -1, *given: Any, **more: Any) -> Any:
        writes = set(mode) & set("wax+")
        place = self._fd_place(file) if isinstance(file, int) and writes else None if not writes else self._place(file)
        if place is None:
            return self._do_open(file, mode, buffering, *given, **more)
        handle = file if isinstance(file, int) else self.open(file, flags_of(mode), 0o666)
        raw = _Raw(self, handle, mode.replace("b", "").replace("t", "").replace("x", "w"))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *given, **more)

    def _do_open(self, *given: Any, **more: Any) -> Any:
        self._inside_call += 1
        try:
            return Real.open_file(*given, **more)
        finally:
            self._inside_call -= 1

    def _connect(self, *given: Any, **more: Any) -> sqlite3.Connection:
        medium = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:  # type: ignore[override]
                if sql == "COMMIT":
                    medium.point("journal commit")
                return super().execute(sql, *rest)

        self._inside_call += 1
        try:
            return Real.connect(*given, factory=Connection, **more)
        finally:
            self._inside_call -= 1


class _Raw(io.FileIO):
    """A raw file whose writes are points: Python's own goes to the kernel without asking `os`."""

    def __init__(self, medium: Medium, handle: int, mode: str) -> None:
        super().__init__(handle, "r+" if "+" in mode else "a" if "a" in mode else "w" if "w" in mode else mode)
        self._medium = medium

    def write(self, data: Any) -> int:
        return self._medium.write(self.fileno(), data)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        self._medium.ftruncate(self.fileno(), size)
        return size


_media: list[Medium] = []
_watching: list[bool] = []


def _watch_opens() -> None:
    """Audit hooks stay for the life of the process; this one looks at active media only."""
    if _watching:
        return
    _watching.append(True)

    def hook(event: str, given: Any) -> None:
        if event == "open" and _media and isinstance(given[0], (str, bytes)):
            for medium in _media:
                medium.saw_open(os.fsdecode(given[0]), given[2] or 0)

    sys.addaudithook(hook)
