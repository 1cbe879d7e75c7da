"""Every write of this process is seen, and any of them can be the last thing that happens.

Promises: whatever opens a file for writing, moves, makes or removes a name, or starts a program is a point, by
Python's own audit events, which no code in this process can go round; so is every fsync. What has been written and not
yet synced is known. Nothing is seen while no watch is held.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NAMES = {"os.rename", "os.remove", "os.symlink", "os.link", "os.truncate", "os.mkdir", "os.rmdir", "os.chmod"}
PROGRAMS = {"os.posix_spawn", "os.exec", "os.spawn", "os.system", "os.fork", "os.forkpty"}


class Cut(BaseException):
    """The end of the world: nothing in the code under test may catch it."""


Look = Callable[[int], None]


@dataclass
class Watch:
    """`reads` says which programs only ask; `look` is called at each point, with its number, before it happens."""

    reads: Callable[[list[str]], bool]
    look: Look
    media: tuple[Path, ...] = ()
    """What a program that is started may write to."""
    trace: list[str] = field(default_factory=list)
    unsynced: set[str] = field(default_factory=set)

    def point(self, name: str) -> None:
        self.trace.append(name)
        self.look(len(self.trace))


_held: list[Watch] = []


def _heard(event: str, args: tuple[object, ...]) -> None:
    if not _held:
        return
    watch = _held.pop()  # what looking does is not itself looked at
    try:
        _seen(watch, event, args)
    finally:
        _held.append(watch)


def _seen(watch: Watch, event: str, args: tuple[object, ...]) -> None:
    if event == "open":
        path, _, flags = args
        if isinstance(path, (str, bytes, os.PathLike)) and isinstance(flags, int) and flags & WRITING:
            name = os.fsdecode(path)
            if name != os.devnull:
                watch.point(f"open {os.path.basename(name)}")
                watch.unsynced |= {name} if not name.endswith(".lock") else set()
    elif event in NAMES:
        named = args[1] if event in ("os.rename", "os.symlink", "os.link") else args[0]
        if isinstance(named, (str, bytes, os.PathLike)):  # a descriptor was opened for writing, and seen then
            name = os.fsdecode(named)
            watch.point(f"{event.removeprefix('os.')} {os.path.basename(name)}")
            watch.unsynced.add(os.path.dirname(name))
    elif event == "subprocess.Popen" or event in PROGRAMS:
        argv = [os.fsdecode(word) for word in args[1]] if event == "subprocess.Popen" else [event]  # type: ignore[attr-defined]
        if not watch.reads(argv):
            watch.point(f"run {os.path.basename(argv[0])}")
            watch.unsynced |= {str(medium) for medium in watch.media}


def _synced(descriptor: int) -> None:
    """Stand in for os.fsync; the machine under the tests keeps its power, so nothing is really waited for."""
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    if _held:
        watch = _held.pop()
        try:
            watch.point(f"fsync {os.path.basename(path)}")
            watch.unsynced.discard(path)
        finally:
            _held.append(watch)


sys.addaudithook(_heard)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    real, os.fsync = os.fsync, _synced
    _held.append(watch)
    try:
        yield watch
    finally:
        _held.clear()
        os.fsync = real
