"""An Update Module in the place of an application: starting a slot lets its module install what is in it.

Promises: what the module installed is on trial like any release: the checks of the signed manifest judge it, the
commit calls ArtifactCommit, and going back calls ArtifactRollback. The process behind it is the agent, which calls it.
Refuses to claim that anything runs while a call is in the way. A guard without an agent can only move the link: the
module is rolled back by the next agent that starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.application import tail_of
from surefoot_agent.modules.host import Host
from surefoot_agent.ports import BootControl, Running, Slots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName, SlotState


class ModuleApplication:
    """ApplicationControl port, and `Stepped`: what a commit must do first, and how long a way may take."""

    def __init__(self, folder: Path, slots: Slots, boot: BootControl, host: Host, way_s: float, port: int = 0) -> None:
        self._folder, self._slots, self._boot, self._host, self._port = folder, slots, boot, host, port
        self.takes_s = 2 * way_s

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        """Install what the slot holds, unless it is; raises InstallFailed(module_failed, module_invalid)."""
        digest = self._slots.digest(slot)
        if manifest is None or digest is None:
            raise InstallFailed("boot_failed", f"Slot {slot.value} holds no release, so no module can install it.")
        proved = self._boot.state(slot) is SlotState.GOOD
        with guard.trial_lock(self._folder):
            self._host.enter(digest, self._slots.path(slot), proved)
        return self._running(slot)

    def finish(self, slot: SlotName) -> None:
        """Let the module commit what this slot holds; raises InstallFailed(module_failed)."""
        digest = self._slots.digest(slot)
        if digest is not None:
            with guard.trial_lock(self._folder):
                self._host.commit(digest)

    def stop(self) -> None:
        """Take back what is on trial; what a module committed before has no process to stop."""
        with guard.trial_lock(self._folder):
            self._host.leave()

    def running(self) -> Running | None:
        digest = self._host.runs()
        found = [slot for slot in SlotName if digest and self._slots.digest(slot) == digest]
        if not found:
            return None
        current = self._boot.current()
        return self._running(current if current in found else found[0])

    def tend(self) -> None:
        """Nothing runs that could die."""

    def spec(self, slot: SlotName, manifest: Manifest) -> None:
        """The guard has no process to start."""

    def log_tail(self, lines: int = 40) -> str:
        return tail_of(self._folder / "app.log", lines)

    def endpoint(self) -> Mapping[str, str]:
        return {"metrics_port": str(self._port)} if self._port else {}

    def _running(self, slot: SlotName) -> Running:
        pid = os.getpid()
        return Running(
            start_id=f"{self._slots.digest(slot)}.{self._host.state().entered}",
            pid=pid,
            slot=slot,
            executable=os.readlink(f"/proc/{pid}/exe"),
            directory=str(self._slots.path(slot)),
            uptime_s=0.0,
        )
