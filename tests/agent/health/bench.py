"""A running application that serves a metrics page, and the checks that look at it; nothing is replaced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.health.checks import Checks
from surefoot_agent.health.local import Folders
from surefoot_agent.ports import CheckResult
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.release import CheckKind, HealthCheck, Manifest, Probation
from surefoot_shared.status import Check, SlotName
from tests.agent.apps import SERVING, until
from tests.agent.trees import install, release

URL = "http://127.0.0.1:{metrics_port}/metrics"
GOOD = "camera_fps 10\ncamera_frame_age_s 0.1\ncamera_frames_processed_total {n}\ncamera_frozen_frames_total {frozen}\n"
COMMANDS = {
    "bin/good": b"#!/bin/sh\necho looked; echo fine\n",
    "bin/bad": b"#!/bin/sh\necho lens is dirty\nexit 3\n",
    "bin/hang": b"#!/bin/sh\nsleep 600 &\necho $! > $PIDFILE\nwait\n",
}


def check(kind: CheckKind, name: str = "c", timeout_s: float = 5.0, **params: str | float) -> HealthCheck:
    return HealthCheck(name, kind, timeout_s=timeout_s, params=params)


class Bench:
    """A running application, its metrics page, and the checks that look at it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "app"
        self.slots = DirectorySlots(self.folder)
        SymlinkBoot(self.folder)
        self.application = Application(self.folder, self.slots)
        self.pidfile = root / "pid"
        env = {"PATH": os.environ["PATH"], "PIDFILE": str(self.pidfile)}
        self.node: Mapping[str, float] = {}
        self.device_folders = Folders(root / "checks", (), each_s=5.0)
        self.checks = Checks(
            self.application,
            self.slots,
            lambda: guard.application_pids(self.folder),
            env,
            self.device_folders,
            lambda: self.node,
        )
        self.frames = 0
        self.script = SERVING

    def run(self, *checks: HealthCheck, baseline: Mapping[str, float] | None = None) -> list[CheckResult]:
        return list(self.checks.run(self.checks.suite(self.manifest(*checks)), baseline or {}))

    def one(self, check: HealthCheck) -> tuple[Check, str]:
        (result,) = self.run(check)
        return result.result, result.message

    def manifest(self, *checks: HealthCheck) -> Manifest:
        """The installed release with these checks: the same files, sealed anew."""
        files = {"bin/app": self.script, **COMMANDS}
        made = release(files, "1.0", list(files), ("bin/app",), checks, Probation(startup_s=0.01))
        if self.slots.installed(SlotName.A) != made:
            install(self.slots, SlotName.A, made, files)
        return made

    def start(self, script: bytes = SERVING) -> None:
        self.script = script
        self.page()
        self.application.start(SlotName.A, self.manifest())
        if script is SERVING:
            until(lambda: "serving" in self.application.log_tail(), "the application to serve")

    def page(self, frozen: int = 0, text: str = GOOD) -> None:
        self.frames += 10
        page = self.folder / "data" / "metrics"
        guard.write_file(page, text.format(n=self.frames, frozen=frozen).encode())
