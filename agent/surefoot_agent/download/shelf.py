"""What a cache of the site keeps: objects by their own hash, within a bound, the longest unused dropped first.

Promises: an object is on the shelf only whole and as its name says, hashed while it came; the shelf never takes more
room than it was given, nor what the device keeps free for itself; one object is brought by one device: while it is on
its way the others are told to wait. Serves what this device's own slots hold as well. Refuses whatever nobody asked
for.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.durable import write_all
from surefoot_shared.errors import Conflict, Invalid
from surefoot_shared.release import SHA256

LEAD_S = 300.0
"""How long whoever was the first to ask has to bring the object; then the next one is asked to."""
PART = ".part"
LEADS = 1000
"""Objects that may be on their way at once."""


def _sizes(folder: Path) -> Iterator[tuple[os.stat_result, Path]]:
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # a part that another thread has just given up
            yield entry.stat(), Path(entry.path)


def _free_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


class Miss(Enum):
    """What is told to whoever asks for something that is not here."""

    BRING_IT = "bring it"
    WAIT = "wait"


class Shelf:
    """For the threads of one server; `elsewhere` finds an object that lies in a slot of this device."""

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        elsewhere: Callable[[str], Path | None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
        reserve_bytes: int = 0,
        free_bytes: Callable[[Path], int] = _free_bytes,
    ) -> None:
        """`reserve_bytes` of the disk stay free, whatever `limit_bytes` says."""
        self._folder, self._limit_bytes, self._elsewhere, self._now = folder, limit_bytes, elsewhere, now
        self._reserve_bytes, self._free_bytes = reserve_bytes, free_bytes
        self._lock = threading.Lock()
        self._leads: dict[str, float] = {}
        self._coming: dict[object, int] = {}
        """Bytes of what is being taken: they count before they are there."""
        durable.make_folder(folder)
        for left_behind in folder.glob(f"*{PART}"):
            left_behind.unlink()

    def find(self, name: str) -> Path | Miss:
        """Return the object's file, or what to tell who asks. Raises Invalid for what is no name."""
        path = self._path(name)
        if path.exists():
            os.utime(path)
            return path
        found = self._elsewhere(name)
        if found is not None:
            return found
        with self._lock:
            now = self._now()
            self._leads = {each: until for each, until in self._leads.items() if until > now}
            if name in self._leads or len(self._leads) >= LEADS:
                return Miss.WAIT
            self._leads[name] = now + LEAD_S
            return Miss.BRING_IT

    def put(self, name: str, size_bytes: int, chunks: Iterable[bytes]) -> None:
        """Take an object that somebody was asked to bring. Raises Conflict, or Invalid where it is not what it says."""
        path = self._path(name)
        with self._lock:
            if name not in self._leads:
                raise Conflict("conflict", "Nobody asked for this object.")
            self._leads[name], it = self._now() + LEAD_S, object()
            self._coming[it] = size_bytes
        try:
            with self._lock:
                self._make_room(size_bytes)
            self._take(it, path, size_bytes, chunks)
        finally:
            with self._lock:
                self._leads.pop(name, None)
                self._coming.pop(it, None)

    def _take(self, it: object, path: Path, size_bytes: int, chunks: Iterable[bytes]) -> None:
        part = path.with_name(f"{path.name}.{threading.get_ident()}{PART}")
        hasher, have = hashlib.sha256(), 0
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            for chunk in chunks:
                have += len(chunk)
                if have > size_bytes:
                    break
                write_all(handle, chunk)
                hasher.update(chunk)
            if have != size_bytes or hasher.hexdigest() != path.name:
                raise Invalid("malformed", "The object is not what its name says.")
            with self._lock:
                os.replace(part, path)
                del self._coming[it]
        finally:
            os.close(handle)
            part.unlink(missing_ok=True)

    def _make_room(self, size_bytes: int) -> None:
        """Drop what was not asked for for longest; who reads it right now goes on reading. Raises Invalid."""
        found = list(_sizes(self._folder))
        parts = sum(status.st_size for status, path in found if path.suffix == PART)
        kept = [(status, path) for status, path in found if path.suffix != PART]
        taken, coming = sum(status.st_size for status, _ in kept), sum(self._coming.values())
        free = self._free_bytes(self._folder) - self._reserve_bytes - (coming - parts)
        if coming > self._limit_bytes or free + taken < 0:
            bound = f"the shelf has {self._limit_bytes}, {self._reserve_bytes} of the disk stay free"
            raise Invalid("too_large", f"There is no room for another {size_bytes} bytes; {bound}.")
        for status, path in sorted(kept, key=lambda each: each[0].st_mtime):
            if taken + coming <= self._limit_bytes and free >= 0:
                return
            path.unlink()
            taken, free = taken - status.st_size, free + status.st_size

    def _path(self, name: str) -> Path:
        if not SHA256.fullmatch(name):
            raise Invalid("malformed", "That is no name of an object.")
        return self._folder / name
