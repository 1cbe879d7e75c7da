"""One call of an Update Module: `MODULE STATE TREE`, in its tree, without a shell, with an end.

Promises: what outstays its time is ended with its whole group; what it prints goes to the component's log, and of a
query the one line that is its answer comes back. Refuses a program that is not there or may not be executed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.modules.streams import Abandoned, Serve

ANSWER_BYTES = 4096
GRACE_S = 5.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CANNOT, MISSING, LATE = 126, 127, 124
"""As shells and timeout(1) say that a program cannot be executed, is missing, or was ended."""


@dataclass(frozen=True)
class Called:
    code: int
    lines: list[str]
    """What a query printed."""
    why: str = ""
    """What a person should know beside the code."""


@dataclass(frozen=True)
class Module:
    """One installed module and how it is called."""

    program: Path
    tree: Path
    log: Path
    env: Mapping[str, str]

    def call(self, state: str, within_s: float, serve: Serve | None = None) -> Called:
        """Run a state to its end; what it prints is logged."""
        with self.log.open("ab") as log:
            return self._run(state, within_s, log.fileno(), serve)

    def ask(self, state: str, within_s: float) -> Called:
        """Run a query; its standard output is the answer."""
        read, write = os.pipe()
        try:
            called = self._run(state, within_s, write, None, errors=self.log)
        finally:
            os.close(write)
        with open(read, "rb") as answer:
            text = _available(answer.fileno()).decode(errors="replace")
        return Called(called.code, text.splitlines(), called.why)

    def _run(self, state: str, within_s: float, out: int, serve: Serve | None, errors: Path | None = None) -> Called:
        until = time.monotonic() + within_s
        try:
            process = self._start(state, out, errors)
        except OSError as error:
            code = MISSING if isinstance(error, FileNotFoundError) else CANNOT
            return Called(code, [], f"{self.program}: {error.strerror}.")
        why = ""
        try:
            if serve is not None:
                serve(process, until)
        except Abandoned as error:
            why = str(error)
            _end(process)
        ended = _awaited(process, until)
        if ended is None:
            return Called(LATE, [], f"{state} did not end within {within_s:g} s.")
        return Called(ended or (1 if why else 0), [], why or (f"{state} ended with {ended}." if ended else ""))

    def _start(self, state: str, out: int, errors: Path | None) -> subprocess.Popen[bytes]:
        log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644) if errors else None
        try:
            return subprocess.Popen(
                [str(self.program), state, str(self.tree)],
                cwd=self.tree,
                env={"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/", **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT if log is None else log,
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(log)


def _awaited(process: subprocess.Popen[bytes], until: float) -> int | None:
    """Return how it ended, None where it had to be ended."""
    try:
        return process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        _end(process)
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE_S)
        except ProcessLookupError:
            process.wait()
            return
        except subprocess.TimeoutExpired:
            continue
        return


def _available(handle: int) -> bytes:
    """What is in the pipe by now: a child that the module left behind may hold the other end for ever."""
    os.set_blocking(handle, False)
    try:
        return os.read(handle, ANSWER_BYTES)
    except BlockingIOError:
        return b""
