"""The trial record: a small framed file that agent, guard and boot scripts read; written under one lock.

Promises: a verdict, once written, is never replaced by another (`decide` returns the one that holds); every write is
one of two generations, so a torn one leaves the record before. The agent extends no budget: arming the same attempt
again keeps its deadline, and in another boot counts as one more start.
Budgets are CLOCK_MONOTONIC of one boot, never wall-clock time; format and codec live in `guard`, which reads alone.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from surefoot_agent import guard
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, Invalid


class Verdict(str, Enum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    GUARD = "guard"
    """The guard's: no verdict came in time."""


@dataclass(frozen=True)
class Fallback:
    """How the previous application is started, whole, so that the guard needs nothing else."""

    slot: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    log: str
    user: str = ""
    cgroup: bool = False

    @classmethod
    def of(cls, spec: guard.AppSpec) -> Fallback:
        return cls(spec.slot, spec.argv, spec.cwd, dict(spec.env), spec.log, spec.user, spec.cgroup)


@dataclass(frozen=True)
class Trial:
    """`deadline_monotonic` counts in the boot `deadline_boot_id`; `finished` says that the way back was walked."""

    assignment: str
    attempt: int
    component: str
    slot: str
    previous: str
    armed_boot_id: str
    budget_s: float
    deadline_monotonic: float
    deadline_boot_id: str
    max_starts: int
    fallback: Fallback | None
    starts: int = 1
    verdict: Verdict | None = None
    reason: str | None = None
    finished: bool = False
    machine: bool = False
    """The slot is entered, and left, by a restart of the machine; `starts` then begins at 0."""
    back: tuple[tuple[str, ...], ...] = ()
    """Fixed commands that make boot control enter the previous slot again, for a guard that knows none."""
    restart: tuple[tuple[str, ...], ...] = ()
    """Fixed commands that restart the machine, each harder than the one before."""
    previous_mark: str = ""
    """A word of the kernel's command line that only a start from the previous slot has; empty: there is none."""
    lock_wait_s: float = guard.LOCK_WAIT_S
    """How long a holder of the lock may need (it stops and starts the application under it)."""
    set: str = ""
    """The set whose one verdict is this trial's too; empty for a trial of its own."""
    v: int = 1

    @property
    def is_open(self) -> bool:
        """Somebody still has to end it: by a commit, or by the way back walked to its end."""
        return not self.finished and self.verdict is not Verdict.HEALTHY


class TrialFile:
    """The record and lock of one component folder."""

    def __init__(self, component_dir: Path) -> None:
        self._folder = component_dir
        component_dir.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock that the guard takes too; nested holds of one thread are one."""
        with guard.trial_lock(self._folder):
            yield

    def read(self) -> Trial | None:
        """Return the record, None where there is none. One of another version counts as none: the guard has it.

        The verdict is that of the set, where the trial belongs to one that has its verdict.
        """
        stored = guard.load_trial(self._folder)
        if stored is None:
            return None
        try:
            return wire.decode(Trial, wire.encode(stored))
        except Invalid:
            return None

    def of(self, assignment: str, attempt: int) -> Trial | None:
        """Return the record if it belongs to this attempt."""
        trial = self.read()
        return trial if trial is not None and (trial.assignment, trial.attempt) == (assignment, attempt) else None

    def arm(self, trial: Trial) -> Trial:
        """Store the trial and return what holds: the stored one where this attempt was armed before in this boot.

        Raises InstallFailed(boot_failed) for a way back that could not be walked: it is found out now, by us.
        """
        _check_commands(trial)
        with self.lock():
            before = self.of(trial.assignment, trial.attempt)
            if before is not None and (before.verdict or before.deadline_boot_id == trial.deadline_boot_id):
                return before
            if before is not None:
                trial = dataclasses.replace(trial, starts=before.starts + 1)
            if trial.set:
                self._decide_set(trial, None, None)
            self._write(trial)
            return self.read() or trial

    def decide(self, assignment: str, attempt: int, verdict: Verdict, reason: str | None = None) -> Trial | None:
        """Write the verdict unless there is one; return the record that holds, None where the trial is not ours."""
        with self.lock():
            trial = self.of(assignment, attempt)
            if trial is None or (trial.verdict is not None and self._stands_alone(trial)):
                return trial
            decided = dataclasses.replace(trial, verdict=verdict, reason=reason)
            if trial.set:
                decided = self._decide_set(trial, verdict, reason)
            self._write(decided)
            return decided

    def _stands_alone(self, trial: Trial) -> bool:
        """The verdict is in the trial's own record, where it outlives that of the set."""
        stored = guard.load_record(self._folder, "trial")
        return not trial.set or stored is None or stored["verdict"] is not None

    def _decide_set(self, trial: Trial, verdict: Verdict | None, reason: str | None) -> Trial:
        """Return the trial with the verdict that holds for its set. The set's record is the only commit point."""
        held = guard.decide_set(self._folder, trial.set, verdict.value if verdict else None, reason)
        stands = Verdict(str(held["verdict"])) if held["verdict"] else None
        return dataclasses.replace(trial, verdict=stands, reason=str(held["reason"]) if held["reason"] else None)

    def finish(self, assignment: str, attempt: int) -> None:
        """Say that the way back was walked to its end: the guard has nothing left to do."""
        with self.lock():
            trial = self.of(assignment, attempt)
            if trial is not None and not trial.finished:
                self._write(dataclasses.replace(trial, finished=True))

    def _write(self, trial: Trial) -> None:
        plain = wire.to_json(trial)
        assert isinstance(plain, dict)  # to_json of a dataclass is an object
        guard.save_record(self._folder, "trial", plain)


def _check_commands(trial: Trial) -> None:
    """A machine's way back needs a restart; each command is an absolute path to what nobody else can change."""
    if trial.machine and not trial.restart:
        raise InstallFailed("boot_failed", "The trial of a root filesystem names no way to restart the machine.")
    for argv in (*trial.back, *trial.restart):
        if not argv or not os.path.isabs(argv[0]) or not os.access(argv[0], os.X_OK) or not os.path.isfile(argv[0]):
            raise InstallFailed("boot_failed", f"The guard could not run {argv[0] if argv else 'nothing'!r}.")
        if os.stat(argv[0]).st_mode & 0o022:
            raise InstallFailed("boot_failed", f"{argv[0]} can be changed by others; the guard must not run it.")


def guard_command(component_dir: Path, poll_s: float = 0.5) -> list[str]:
    """Return the command that runs the guard of a component, isolated from everything installed around it."""
    file = str(Path(guard.__file__).resolve())
    return [sys.executable, "-I", file, "--component-dir", str(component_dir), "--poll-s", str(poll_s)]
