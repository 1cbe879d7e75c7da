"""One camera node in two halves: its networked agent, the helper that may do what the agent may not, and its guard.

Promises: each is the real program in a process of its own, enrolled and adopted by the real commands; all run as the
caller's user, as a demonstration has no other. Raises CommandFailed where enrolling or adopting fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent import guard
from surefoot_simulators.demo.node import COMPONENT, environment
from surefoot_simulators.demo.server import CommandFailed, program
from surefoot_simulators.demo.unit import Unit

COMMAND_S = 60.0


class SplitNode:
    """`enrol` once, then `start`."""

    def __init__(self, device: str, hw: str, folder: Path, settings: Mapping[str, float]) -> None:
        self.device, self.hw, self.folder = device, hw, folder
        self.component_dir = folder / "helper" / COMPONENT
        folder.mkdir(parents=True)
        self.config = folder / "agent.toml"
        self.config.write_text(self._settings(settings))
        agent, helper = ([program("surefoot-agent"), name, "--config", str(self.config)] for name in ("run", "helper"))
        watch = [sys.executable, "-I", str(guard.__file__), "--component-dir", str(self.component_dir)]
        self.helper = Unit("helper", helper, environment(), folder / "helper.log")
        self.guard = Unit("guard", watch, environment(), folder / "guard.log")
        self.agent = Unit("agent", agent, environment(), folder / "agent.log")

    def enrol(self, server_url: str, bootstrap: Path, token: str, first_release: Path) -> None:
        """Enrol the device and take it into the helper's hands, with its first release."""
        file = self.folder / "token"
        file.touch(0o600)
        file.write_text(token)
        server = ("--server", server_url, "--bootstrap", str(bootstrap), "--token-file", str(file))
        self._run("enrol", *server, "--device", self.device, "--hw", self.hw)
        self._run("adopt", "--release", str(first_release))

    def start(self) -> None:
        for unit in (self.helper, self.guard, self.agent):
            unit.start()

    def stop(self) -> None:
        for unit in (self.helper, self.guard, self.agent):
            unit.stop()
        guard.stop_application(self.component_dir, 2.0)

    def _settings(self, settings: Mapping[str, float]) -> str:
        told = {
            "state_dir": str(self.folder / "state"),
            "helper_dir": str(self.folder / "helper"),
            "helper_socket": str(self.folder / "helper.sock"),
            "app_socket_dir": str(self.folder),
            **settings,
        }
        app = {"PATH": environment()["PATH"], "SUREFOOT_HW": self.hw, "CAMERA_SEED": "7"}
        tables = (told.items(), app.items())
        lines = ["\n".join(f"{key} = {json.dumps(value)}" for key, value in table) for table in tables]
        return "\n[app_env]\n".join(lines) + "\n"

    def _run(self, *words: str) -> None:
        command = [program("surefoot-agent"), words[0], "--config", str(self.config), *words[1:]]
        none = subprocess.DEVNULL
        done = subprocess.run(
            command, env=environment(), stdin=none, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
        if done.returncode != 0:
            raise CommandFailed(f"{self.device}: surefoot-agent {words[0]} failed: {done.stderr.strip()[-300:]}")
