"""Run one migration command of a verified release, confined, and keep what it says.

Promises: the command is a file of a sealed slot, which is its working directory; it runs as the application's user with
the application's environment and nothing of the agent's, without a network (see `confine`), in a session of its own,
and is killed with all it started at its timeout; one at a time for a component, over the death of an agent too: a lock
goes with the process, and its environment carries the component's mark, so whoever stops the application stops it.
What it prints is bounded and goes to the end of the application's log. Raises InstallFailed(migration_failed).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import guard
from surefoot_shared.errors import InstallFailed

CONFINE = Path(__file__).resolve().with_name("confine.py")
"""A program of its own, which this process has no need to load."""
OUTPUT_BYTES = 16 * 1024
"""Kept of what a migration prints: its end."""
LINGER_S = 1.0
"""After the command ended, for what is still in the pipe."""


@dataclass(frozen=True)
class Migration:
    """`argv[0]` is an absolute path inside the slot, `kind` is forward, backward or irreversible."""

    kind: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    timeout_s: float
    component_dir: Path
    user: str = ""
    """Whose it runs as, as AppSpec.user; empty for the caller's own."""


def run(migration: Migration) -> None:
    """Run it to its end; returns where it exits with 0."""
    folder = migration.component_dir
    with contextlib.ExitStack() as stack:
        lock = os.open(folder / "migration.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _failed(migration, "an earlier run of a migration has not ended") from None
        try:
            code, output = _finish(_spawn(migration, lock), time.monotonic() + migration.timeout_s)
        except OSError as error:
            raise _failed(migration, error.strerror or str(error)) from error
        _keep(folder / "app.log", migration, output)
    if code is None:
        raise _failed(migration, f"it took longer than {migration.timeout_s:g} s", output)
    if code != 0:
        raise _failed(migration, f"it ended with {code}", output)


def _spawn(migration: Migration, lock: int) -> subprocess.Popen[bytes]:
    env = {**migration.env, "SUREFOOT_COMPONENT_DIR": os.path.realpath(migration.component_dir)}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-I", "-B", str(CONFINE), *migration.argv],
        cwd=migration.cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(lock,),
        **guard.identity_of(migration.user),  # type: ignore[call-overload]
    )
    return process


def _finish(process: subprocess.Popen[bytes], deadline: float) -> tuple[int | None, bytes]:
    """Read until it ends or its time is over; nothing that it started stays. None: it was killed."""
    assert process.stdout is not None  # a pipe was asked for
    kept, ended_at, open_still = b"", None, True
    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while open_still or process.poll() is None:
            now = time.monotonic()
            ended_at = now if ended_at is None and process.poll() is not None else ended_at
            if now >= deadline or (ended_at is not None and now >= ended_at + LINGER_S):
                break
            if not open_still:
                time.sleep(0.02)  # it closed its output and works on
            elif selector.select(0.1):
                chunk = os.read(process.stdout.fileno(), 65536)
                open_still, kept = bool(chunk), (kept + chunk)[-OUTPUT_BYTES:]
        code = process.poll()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    return code, kept


def _keep(log: Path, migration: Migration, output: bytes) -> None:
    with contextlib.suppress(OSError), log.open("ab") as file:  # a full disk loses words, not the update
        file.write(f"[{migration.kind} migration] ".encode() + output.rstrip(b"\n") + b"\n")


def _failed(migration: Migration, why: str, output: bytes = b"") -> InstallFailed:
    last = output.decode(errors="replace").strip().rpartition("\n")[2][:200]
    said = f"; its last line: {last}" if last else ""
    return InstallFailed("migration_failed", f"The {migration.kind} migration failed: {why}{said}.")
