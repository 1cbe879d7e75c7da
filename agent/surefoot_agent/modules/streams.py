"""Payload files as named pipes: `stream-next` names the one to read, that one carries it, nothing more ends it.

Promises: never waits for a module that has ended or overstays its time, whichever pipe it was at: pipes are opened for
writing without blocking, and every wait looks at the process. The pipe of a file exists before the module hears of it.
"""

from __future__ import annotations

import errno
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.01
CHUNK_BYTES = 256 * 1024
FIRST = "stream-next"


class Abandoned(Exception):
    """The module ended, or stopped reading, before it had everything."""


@dataclass(frozen=True)
class Feed:
    """The payload of one Download. `sized`: the module also hears how large each file is."""

    tree: Path
    sources: Mapping[str, Path]
    sized: bool = False

    def prepare(self, ahead: bool) -> None:
        """Make the pipes that must exist before the module starts; `ahead`: the first file's as well."""
        os.mkfifo(self.tree / FIRST, 0o600)
        if ahead:
            for name in list(self.sources)[:1]:
                os.mkfifo(self._pipe(name), 0o600)

    def serve(self, process: subprocess.Popen[bytes], until: float) -> bool:
        """Feed the module; return whether it read the streams at all; raises Abandoned. `until`: monotonic seconds."""
        wait = _Wait(process, until)
        for number, name in enumerate(self.sources):
            if not self._announce(name, wait):
                if number == 0:
                    return False
                raise Abandoned(f"It ended before it asked for {name}.")
            self._send(name, wait)
        last = wait.writer(self.tree / FIRST)
        if last is not None:
            os.close(last)
        return last is not None or bool(self.sources)

    def remove(self) -> None:
        """Take the pipes away: they exist during Download only."""
        for path in (self.tree / FIRST, *(self._pipe(name) for name in self.sources)):
            path.unlink(missing_ok=True)

    def _announce(self, name: str, wait: _Wait) -> bool:
        handle = wait.writer(self.tree / FIRST)
        if handle is None:
            return False
        try:
            if not self._pipe(name).exists():
                os.mkfifo(self._pipe(name), 0o600)
            size = f" {self.sources[name].stat().st_size}" if self.sized else ""
            _write(handle, f"streams/{name}{size}\n".encode(), wait)
        finally:
            os.close(handle)
        return True

    def _send(self, name: str, wait: _Wait) -> None:
        handle = wait.writer(self._pipe(name))
        if handle is None:
            raise Abandoned(f"It ended before it read {name}.")
        try:
            with self.sources[name].open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    _write(handle, chunk, wait)
        finally:
            os.close(handle)

    def _pipe(self, name: str) -> Path:
        return self.tree / "streams" / name


@dataclass(frozen=True)
class _Wait:
    process: subprocess.Popen[bytes]
    until: float

    def writer(self, pipe: Path) -> int | None:
        """Return a handle once somebody reads the pipe, None where nobody ever will."""
        while not self.over():
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            time.sleep(LOOK_S)
        return None

    def over(self) -> bool:
        return self.process.poll() is not None or time.monotonic() >= self.until


def _write(handle: int, data: bytes, wait: _Wait) -> None:
    view, room = memoryview(data), select.poll()
    room.register(handle, select.POLLOUT)
    while view:
        try:
            view = view[os.write(handle, view) :]
        except BlockingIOError:
            room.poll(LOOK_S * 1000)
            if wait.over():
                raise Abandoned("It ended in the middle of a file.") from None
        except BrokenPipeError as error:
            raise Abandoned("It stopped reading in the middle of a file.") from error


Serve = Callable[["subprocess.Popen[bytes]", float], None]
"""What is done while a module runs: (process, monotonic seconds by which it must have ended)."""
