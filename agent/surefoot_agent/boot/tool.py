"""Programs that change or show what is booted: one door, with a fixed argument list, no shell, and a time limit.

Promises: what a program says and how it ends is told; one that hangs is killed with all it started. Everything in this
folder that runs a program runs it here, so that a test can end the world at each of these calls.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from surefoot_shared.errors import InstallFailed

TIMEOUT_S = 30.0
"""Writing an environment takes milliseconds; a slow flash or a busy lock a second or two."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def failed(message: str, hint: str = "") -> InstallFailed:
    return InstallFailed("boot_control_failed", message, hint)


def run(argv: Sequence[str], given: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run a program to its end and return what it wrote. Raises InstallFailed where it does not end with 0."""
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": PATH, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        raise failed(f"{name} cannot be run: {error.strerror}.") from error
    with process:
        try:
            out, err = process.communicate(given.encode(), timeout_s)
        except subprocess.TimeoutExpired as error:
            raise failed(f"{name} did not end within {timeout_s:g} s.") from error
        finally:
            _end(process)
    if process.returncode != 0:
        last = err.decode(errors="replace").strip().rpartition("\n")[2].rstrip(". ")
        raise failed(f"{name} ended with {process.returncode}{': ' if last else ''}{last[:200]}.")
    return out.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the program and its children; what it left running would write after us."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
