"""Run a check program, bounded: no shell, no input, a deadline, the last bytes of its output, its whole group ended.

Promises: nothing that a program started outlives its look, in whatever session it hides. A program of a release is read
through one descriptor and compared with its signed hash just before it runs; what does not match is not run. Output
beyond OUTPUT_BYTES is read and dropped, so a talkative program neither blocks
nor fills memory. Refuses programs outside the release's tree.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import selectors
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import processes
from surefoot_agent.health.scene import Finding, Scene
from surefoot_shared.checks import program_of
from surefoot_shared.release import HealthCheck, TreeFile

OUTPUT_BYTES = 4096
"""As much as Docker keeps of a health check: enough for a stack trace, small beside one message of reports."""
TAIL_CHARACTERS = 200
MARK = "SUREFOOT_LOOK"
"""In the environment of a check program: what it started is found by it, though it left the session."""


@dataclass(frozen=True)
class Ran:
    """`code` is None for a program that did not end in time; negative for one that a signal ended."""

    code: int | None
    output: str
    took_s: float

    @property
    def last_line(self) -> str:
        return self.output.strip().rpartition("\n")[2][:TAIL_CHARACTERS]


def look(check: HealthCheck, scene: Scene) -> Finding:
    """Run a program of the release in its slot."""
    assert scene.tree is not None, "looks.look() refuses a scene without a process"
    words = program_of(str(check.params["command"]))
    program = scene.tree / words[0]
    reason = _altered(program, scene.files.get(words[0]))
    if reason:
        return Finding(False, f"{words[0]} is not run: {reason}")
    return finding(run([str(program), *words[1:]], scene.tree, scene.env, check.timeout_s), words[0], check.timeout_s)


def finding(ran: Ran, name: str, timeout_s: float) -> Finding:
    """Say what an ended program means: 0 is good, everything else is not."""
    if ran.code is None:
        return Finding(False, f"{name} did not end within {timeout_s:g} s", output=ran.output)
    measured = {"exit_code": float(ran.code), "took_s": round(ran.took_s, 3)}
    words = ran.last_line or f"{name} ended with {ran.code}"
    if ran.code and ran.last_line:
        words = f"{words} ({name} ended with {ran.code})"
    return Finding(ran.code == 0, words, measured, ran.output)


def run(command: Sequence[str], folder: Path, env: Mapping[str, str], timeout_s: float) -> Ran:
    """Run to the end or to the deadline; raises OSError where it cannot be started."""
    began, look_id = time.monotonic(), uuid.uuid4().hex
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**env, MARK: look_id},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        restore_signals=True,
    )
    try:
        output, in_time = _collect(process, began + timeout_s)
    finally:
        _end_group(process)
        _end_marked(look_id)
    text = output.decode(errors="replace")
    return Ran(process.returncode if in_time else None, text, time.monotonic() - began)


def _collect(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """Read until the program itself ends, whatever its children keep open; True where that was in time."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    kept = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        open_ended = True
        while process.poll() is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return kept + _read(process), False
            if open_ended and selector.select(min(left_s, 0.05)):
                part = process.stdout.read(65536)
                open_ended = part != b""
                kept = (kept + (part or b""))[-OUTPUT_BYTES:]
            elif not open_ended:
                time.sleep(0.01)  # it closed its output and lives on
        return (kept + _read(process))[-OUTPUT_BYTES:], True


def _read(process: subprocess.Popen[bytes]) -> bytes:
    """What is left in the pipe, which holds 64 KiB."""
    assert process.stdout is not None
    return process.stdout.read(65536) or b""


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # the whole group had ended, as it should
    finally:
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _end_marked(look_id: str) -> None:
    """Children that left the group, by the mark that all of them inherit."""
    mark = f"{MARK}={look_id}".encode()
    for pid in processes.everybody():
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)


def _altered(program: Path, signed: TreeFile | None) -> str:
    """Why a program is not the one that was signed; empty where it is."""
    if signed is None:
        return "the signed manifest does not list it"
    digest = hashlib.sha256()
    descriptor = os.open(program, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return "" if digest.hexdigest() == signed.sha256 else "its bytes are not those that were signed"
