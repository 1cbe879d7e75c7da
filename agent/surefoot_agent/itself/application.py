"""The agent as what runs from a slot of its own component: starting another one means ending this one.

Promises: `running` is this very process, where the launcher started it from a slot and the kernel agrees; `start` and
`stop` return by the end of this process alone. Refuses to end an agent that no launcher would start again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from surefoot_agent import guard, processes
from surefoot_agent.ports import Running, Slots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName

LAUNCHED = "SUREFOOT_LAUNCHED"
"""Set by the launcher: the slot it started, or `installed`."""
END_LIMIT_S = 10.0
"""What is not stopped in order by then holds up the way back; every write of this agent bears a sudden end."""
LOOK_S = 0.1


def end_this_process() -> None:
    """Ask the agent's main thread to stop in order."""
    os.kill(os.getpid(), signal.SIGTERM)


class OwnAgent:
    """ApplicationControl port of the component that the agent itself is."""

    def __init__(
        self,
        component_dir: Path,
        slots: Slots,
        end: Callable[[], None] = end_this_process,
        leave: Callable[[], None] = lambda: os._exit(0),
    ) -> None:
        self._folder, self._slots, self._end, self._leave = component_dir, slots, end, leave
        self._launched = os.environ.get(LAUNCHED, "")

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        """End this process; the launcher starts what the link names. Raises InstallFailed(boot_failed)."""
        running = self.running()
        if running is not None and running.slot is slot:
            return running
        if not self._launched:
            message = "This agent was not started by its launcher, so nobody would start another one."
            raise InstallFailed("boot_failed", message, "Start it by the launcher; docs/self-update.md shows how.")
        if self._launched == "installed" and guard.current_slot(self._folder) == slot.value and self._passed_over(slot):
            raise InstallFailed("boot_failed", f"The launcher found no agent in slot {slot.value}.")
        self._end()
        until_s = time.monotonic() + END_LIMIT_S
        while time.monotonic() < until_s and threading.main_thread().is_alive():
            time.sleep(LOOK_S)
        self._leave()
        raise AssertionError("a process that left goes on")

    def stop(self) -> None:
        """Where no slot is to run, the launcher takes the installed agent: this one, if it is."""
        if self._launched not in ("", "installed"):
            self._end()

    def running(self) -> Running | None:
        record = guard.recorded_application(self._folder)
        if record is None or record.pid != os.getpid() or record.slot not in ("A", "B"):
            return None
        return processes.proved(record, self._slots.path(SlotName(record.slot)))

    def tend(self) -> None:
        """The launcher does."""

    def spec(self, slot: SlotName, manifest: Manifest) -> None:
        """The guard ends the agent on trial, and the launcher starts the old one."""

    def log_tail(self, lines: int = 40) -> str:
        """Its log is the system's."""
        return ""

    def endpoint(self) -> Mapping[str, str]:
        return {}

    def _passed_over(self, slot: SlotName) -> bool:
        return not os.access(self._slots.path(slot) / "bin/python3", os.X_OK)
