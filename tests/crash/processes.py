"""Processes that exist in a table only: what the agent and the guard start, stop and look for, without a kernel.

Every start and every kill is a point of the medium; a process outlives the agent, not the power.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from surefoot_agent import guard, processes
from surefoot_agent.ports import Running
from tests.agent.fakes import World
from tests.crash.medium import Medium

FIRST_PID = 1_000_000_000
"""Above any pid of a real kernel, so that a signal that went past the table would hit nobody."""


@dataclass
class Process:
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: str


class Table:
    """The process table of one device; `broken` names versions whose application cannot be executed."""

    def __init__(self, world: World, medium: Medium) -> None:
        self._world, self._medium = world, medium
        self.alive: dict[int, Process] = {}
        self.broken: set[str] = set()
        self.started: list[str] = []
        self._next = FIRST_PID

    def power_off(self) -> None:
        self.alive.clear()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Stand where the agent's and the guard's code meets the kernel."""
        with contextlib.ExitStack() as stack:
            for target, name, ours in (
                (guard, "subprocess", self),
                (guard, "time", self),
                (guard, "boot_id", self._world.boot_id),
                (guard, "start_ticks", self._ticks),
                (guard, "application_pids", self._of),
                (guard, "first_process", self._first),
                (processes, "proved", self._proved),
                (os, "killpg", self._kill),
                (os, "kill", self._kill),
            ):
                stack.enter_context(mock.patch.object(target, name, ours))
            yield

    # --- in the place of subprocess and time --------------------------------------------------------------------------

    DEVNULL = -3

    def Popen(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, **_: Any) -> Any:
        self._medium.point(f"start {env['SUREFOOT_RELEASE']}")
        if env["SUREFOOT_RELEASE"] in self.broken:
            raise PermissionError(13, "Permission denied")
        self._next += 1
        self.alive[self._next] = Process(argv, dict(env), cwd)
        self.started.append(env["SUREFOOT_RELEASE"])
        return mock.NonCallableMock(pid=self._next, spec=["pid", "returncode"])

    def monotonic(self) -> float:
        return self._world.now

    def sleep(self, seconds: float) -> None:
        self._world.now += seconds

    # --- in the place of /proc and of signals -------------------------------------------------------------------------

    def _ticks(self, pid: int) -> int | None:
        return pid if pid in self.alive or pid == os.getpid() else None

    def _of(self, component_dir: Path) -> list[int]:
        folder = os.path.realpath(component_dir)
        return [pid for pid, p in self.alive.items() if p.environment["SUREFOOT_COMPONENT_DIR"] == folder]

    def _first(self, pid: int) -> tuple[Mapping[str, str], tuple[str, ...], str]:
        return self.alive[pid].environment, tuple(self.alive[pid].argv), self.alive[pid].cwd

    def _proved(self, record: guard.AppRecord, slot_path: Path) -> Running | None:
        return processes.running(record, record.argv[0], record.cwd) if record.pid in self.alive else None

    def _kill(self, pid: int, number: int) -> None:
        if pid not in self.alive:
            raise ProcessLookupError
        if number != signal.SIGCONT:
            self._medium.point(f"stop {self.alive[pid].environment['SUREFOOT_RELEASE']}")
            del self.alive[pid]
