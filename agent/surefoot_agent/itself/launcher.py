"""Starts the agent of the slot that the link names, again and again: `python3 -I launcher.py --component-dir DIR -- …`.

Promises: standard library and the guard's file beside it, nothing of any agent, so no agent can break it. Each agent
is recorded as the guard expects an application to be, so a guard can end one that hangs; it writes nothing into its
sealed slot, and ends with its launcher, so that two never work side by side; what dies on trial counts as
a start of the trial, and the guard's own rule brings the old one back when they are used up. A slot without an agent is
passed over for the installed one (`--installed`). A told end reaches the agent, which gets STOP_S to obey.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import FrameType, ModuleType

PYTHON = "bin/python3"
"""Where an environment in a slot has its interpreter."""
MODULE = "surefoot_agent"
STOP_S = 30.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
HEALTHY_S = 60.0
"""An agent that lived so long is started at once when it ends."""
LOOK_S = 0.1


class Launcher:
    """One component folder, one agent at a time."""

    def __init__(self, component_dir: Path, installed: str, words: list[str], guard: ModuleType) -> None:
        self._folder, self._installed, self._words, self._guard = component_dir, installed, words, guard
        self._stopping = False
        self._deaths = 0

    def run(self) -> int:
        """Keep an agent running until told to stop; returns the last agent's exit code then."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while True:
            slot, process, began = *self._start(), time.monotonic()
            code = self._awaited(process)
            if self._stopping:
                return code
            on_trial = self._ended(slot, code)
            self._wait(self._delay(time.monotonic() - began, on_trial) if code else 0.0)
            if self._stopping:
                return code

    def _start(self) -> tuple[str, subprocess.Popen[bytes]]:
        with self._guard.trial_lock(self._folder):
            slot = self._guard.current_slot(self._folder) or ""
            tree = self._folder.resolve() / "slots" / slot
            there = bool(slot) and os.access(tree / PYTHON, os.X_OK)
            argv = [str(tree / PYTHON), "-I", "-B", "-m", MODULE] if there else [self._installed]
            start_id = uuid.uuid4().hex
            env = {
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                "SUREFOOT_LAUNCHED": slot if there else "installed",
                "SUREFOOT_SLOT": slot,
                "SUREFOOT_START_ID": start_id,
                "SUREFOOT_COMPONENT_DIR": str(self._folder.resolve()),
            }
            argv += self._words
            cwd = str(tree) if there else "/"
            self._end_the_one_before()
            process = subprocess.Popen(argv, env=env, cwd=cwd, start_new_session=True)
            self._keep(process.pid, start_id, slot if there else "", tuple(argv), cwd)
        return slot if there else "", process

    def _end_the_one_before(self) -> None:
        """A launcher that was killed left its agent, which holds the state folder and would never be replaced."""
        record = self._guard.recorded_application(self._folder)
        if record is not None and self._guard.process_alive(record):
            print(f"launcher: agent_of_before pid={record.pid}", file=sys.stderr, flush=True)
            self._guard.stop_process(record, STOP_S)

    def _keep(self, pid: int, start_id: str, slot: str, argv: tuple[str, ...], cwd: str) -> None:
        guard = self._guard
        ticks = guard.start_ticks(pid) or 0
        guard.keep_application(self._folder, guard.AppRecord(start_id, pid, ticks, guard.boot_id(), slot, argv, cwd))

    def _awaited(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the agent's end; one that was told to stop and does not is ended with its group."""
        told_at = 0.0
        while True:
            try:
                return process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if not self._stopping:
                    continue
            told_at = told_at or time.monotonic()
            late = time.monotonic() - told_at >= STOP_S
            os.killpg(process.pid, signal.SIGKILL) if late else process.send_signal(signal.SIGTERM)
            time.sleep(LOOK_S)

    def _ended(self, slot: str, code: int) -> bool:
        """A death on trial is a start that was used up; return whether it was one."""
        print(f"launcher: agent_ended slot={slot or 'installed'} code={code}", file=sys.stderr, flush=True)
        if code == 0 or not slot:
            return False
        guard = self._guard
        with guard.trial_lock(self._folder):
            trial = guard.load_trial(self._folder)
            tried = trial is not None and trial["slot"] == slot and trial["verdict"] is None
            if tried and not trial.get("finished"):
                starts = int(trial["starts"]) + 1
                guard.save_record(self._folder, "trial", {**trial, "starts": starts})
        guard.look(self._folder)
        return tried

    def _delay(self, lived_s: float, on_trial: bool) -> float:
        """Longer with each death in a row; on trial the starts are counted, so nobody waits."""
        if on_trial:
            return FIRST_DELAY_S
        self._deaths = 1 if lived_s >= HEALTHY_S else self._deaths + 1
        return min(FIRST_DELAY_S * 2.0 ** (self._deaths - 1), LONGEST_DELAY_S)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(LOOK_S)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True


def guard_beside(file: Path) -> ModuleType:
    """Load the guard's file from the launcher's own folder, or from the package around it."""
    near = [folder / "guard.py" for folder in (file.parent, file.parent.parent)]
    path = next(p for p in near if p.is_file())
    spec = importlib.util.spec_from_file_location("surefoot_guard", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="launcher", description="Run the agent of the slot that the link names.")
    parser.add_argument("--component-dir", type=Path, required=True)
    parser.add_argument("--installed", default="/opt/surefoot/bin/surefoot-agent", help="where no slot holds an agent")
    parser.add_argument("words", nargs="*", help="what the agent is started with, after `--`")
    given = parser.parse_args(argv)
    given.component_dir.mkdir(parents=True, exist_ok=True)
    launcher = Launcher(given.component_dir, given.installed, given.words or ["run"], guard_beside(Path(__file__)))
    return launcher.run()


if __name__ == "__main__":
    sys.exit(main())
