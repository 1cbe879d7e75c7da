"""One camera node: its folder, its configuration, and its two services, the real agent and the real guard.

It stands in for the device's systemd and for its bad luck: it can end the agent and its application with SIGKILL at any
instant, and it can break the agent so that no start succeeds, the way a bad Python package on the device would.
Refuses to reach into the agent: everything happens on processes and files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent import guard
from surefoot_simulators.demo import disk
from surefoot_simulators.demo.unit import Unit

COMPONENT = "app"
KILL_LIMIT_S = 5.0
"""A killed process is gone within milliseconds; only one that hangs in the kernel takes longer."""
BROKEN_PAHO = "raise ImportError('this installation is broken')\n"


@dataclass(frozen=True)
class NodeSpec:
    """What one node is. `settings` go into its agent's configuration as they are."""

    device: str
    hw: str
    folder: Path
    seed: int = 1
    settings: Mapping[str, float] = field(default_factory=dict)

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def component_dir(self) -> Path:
        return self.state_dir / COMPONENT

    @property
    def config(self) -> Path:
        return self.folder / "agent.toml"


class Node:
    """The running node. `start` needs an enrolled state folder."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        spec.folder.mkdir(parents=True, exist_ok=True)
        spec.config.write_text(_config(spec))
        agent = [sys.executable, "-m", "surefoot_agent", "run", "--config", str(spec.config)]
        watch = [sys.executable, "-I", str(guard.__file__), "--component-dir", str(spec.component_dir)]
        self.agent = Unit(f"{spec.device}-agent", agent, environment(), spec.folder / "agent.log")
        self.guard = Unit(f"{spec.device}-guard", watch, environment(), spec.folder / "guard.log")

    def start(self) -> None:
        self.guard.start()
        self.agent.start()

    def request_stop(self) -> None:
        """Begin to stop; `stop` finishes it. Twelve nodes are stopped at once this way."""
        self.guard.request_stop()
        self.agent.request_stop()

    def stop(self) -> None:
        """Stop agent, guard and application; nothing of the node runs afterwards."""
        self.guard.stop()
        self.agent.stop()
        self._end_application()

    def kill_agent_and_application(self) -> None:
        """SIGKILL both, as fast as one process can; the agent is started again as systemd would."""
        self.agent.kill()
        self._end_application()

    def break_agent(self) -> None:
        """Put a broken library in front of the agent's path and kill the agent: no start succeeds from now on."""
        package = self.spec.folder / "broken" / "paho"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(BROKEN_PAHO)
        self.agent.set_env("PYTHONPATH", str(package.parent))
        self.agent.kill()

    def mend_agent(self) -> None:
        """Take the broken library away; the next start succeeds."""
        self.agent.set_env("PYTHONPATH", None)
        shutil.rmtree(self.spec.folder / "broken", ignore_errors=True)

    def look(self) -> disk.DeviceOnDisk:
        return disk.inspect(self.spec.component_dir)

    def _end_application(self) -> None:
        """SIGKILL, again and again, until the kernel shows no process in a slot: one may just be starting."""
        until_s = time.monotonic() + KILL_LIMIT_S
        while (pids := disk.application_pids(self.spec.component_dir)) and time.monotonic() < until_s:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a service of the demonstration sees of the caller's environment: a PATH with our Python first, no more."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **(more or {})}


def _config(spec: NodeSpec) -> str:
    """The agent's TOML; a JSON string is a TOML string."""
    values = {"state_dir": str(spec.state_dir), "component": COMPONENT, **spec.settings}
    app = {"PATH": environment()["PATH"], "SUREFOOT_HW": spec.hw, "CAMERA_SEED": str(spec.seed)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([*lines, "", "[app_env]", *(f"{key} = {json.dumps(value)}" for key, value in app.items()), ""])
