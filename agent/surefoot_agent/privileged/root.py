"""The agent's side of a root filesystem: what runs and what restarts the machine is the other half's to see and to do.

Promises: nothing of this machine's devices, mounts or bootloader is looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from surefoot_agent.ports import Running
from surefoot_agent.privileged.proxies import Line, PrivilegedApplication
from surefoot_agent.privileged.talk import Verb
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName


class PrivilegedRoot(PrivilegedApplication):
    """ApplicationControl port of a component whose slots are this machine's roots; see `rootfs`."""

    def __init__(self, component_dir: Path, line: Line, metrics_port: int = 0) -> None:
        super().__init__(component_dir, line)
        self._metrics_port = metrics_port

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        """Have the machine restarted and wait for the end. Raises InstallFailed(restart_failed)."""
        self._line.ask(Verb.START, slot=slot)
        raise InstallFailed("restart_failed", "The machine was told to restart and is still up.")

    def stop(self) -> None:
        """A root stops with the machine."""

    def tend(self) -> None:
        """Nothing is asked each second of what boot control and guard look after."""

    def spec(self, slot: SlotName, manifest: Manifest) -> None:
        """The guard needs no process to start: its way back is boot control and a restart."""

    def endpoint(self) -> Mapping[str, str]:
        return {"metrics_port": str(self._metrics_port)} if self._metrics_port else {}
