"""What runs from a slot of a simulated device: the process of an application, or the machine's own root.

Promises: a start has an id of its own; a process dies when its release says so, lives on without the agent and ends
with the power; a root is started by nothing but a restart of the machine. Refuses to judge what it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from surefoot_agent.boot.fake import FakeBoot
from surefoot_agent.guard import AppSpec
from surefoot_agent.ports import BootControl, Running
from surefoot_agent.reset_cause import Cause
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName
from surefoot_simulators.device.board import Board, End, Ended
from surefoot_simulators.device.conduct import Conduct
from surefoot_simulators.device.slots import SimSlots

CONDUCT = Callable[[str], Conduct]
"""Version of a release → how it behaves on this device."""


class Process:
    """ApplicationControl port of an application in folders."""

    def __init__(self, board: Board, slots: SimSlots, boot: BootControl, conduct: CONDUCT) -> None:
        self._board, self._slots, self._boot, self._conduct = board, slots, boot, conduct
        self._running: Running | None = None
        self._since, self._number = 0.0, 0
        self.started: Callable[[], None] = lambda: None
        """Called after each start."""

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        with self._board.around("start"):
            self._running = None
            version = manifest.version if manifest else ""
            if not self._conduct(version).starts:
                raise InstallFailed("boot_failed", f"{version} does not start.")
            return self._spawn(slot)

    def stop(self) -> None:
        with self._board.around("stop"):
            self._running = None

    def running(self) -> Running | None:
        if self._running is None:
            return None
        dies_s = self.conduct().crash_after_s
        if dies_s is not None and self.uptime_s() >= dies_s:
            self._running = None
            return None
        one = self._running
        return Running(one.start_id, one.pid, one.slot, one.executable, one.directory, self.uptime_s())

    def tend(self) -> None:
        """Start a dead application again, from the slot that boot control shows."""
        slot = self._boot.current()
        manifest = self._slots.installed(slot)
        if self.running() is None and manifest is not None and self._conduct(manifest.version).starts:
            self._spawn(slot)

    def spec(self, slot: SlotName, manifest: Manifest) -> AppSpec | None:
        folder = str(self._slots.path(slot))
        return AppSpec(slot.value, (f"{folder}/run",), folder, {}, f"{folder}.log")

    def log_tail(self, lines: int = 40) -> str:
        return "the last words of a simulated application"

    def endpoint(self) -> Mapping[str, str]:
        return {}

    # --- for the machine below ----------------------------------------------------------------------------------------

    def bring_back(self, slot: SlotName) -> None:
        """What the guard does without the agent."""
        self._running = None
        self._spawn(slot)

    def lose(self) -> None:
        """The machine went down."""
        self._running = None

    def uptime_s(self) -> float:
        return self._board.now() - self._since

    def version(self) -> str | None:
        """Of the release that really runs."""
        running = self.running()
        manifest = self._slots.installed(running.slot) if running else None
        return manifest.version if manifest else None

    def slot(self) -> SlotName | None:
        running = self.running()
        return running.slot if running else None

    def conduct(self) -> Conduct:
        """Of what was started last, alive or not."""
        manifest = self._slots.installed(self._running.slot) if self._running else None
        return self._conduct(manifest.version if manifest else "")

    def _spawn(self, slot: SlotName) -> Running:
        self._number += 1
        folder, start = str(self._slots.path(slot)), f"{self._board.name}-start-{self._number}"
        self._running = Running(start, 100 + self._number, slot, f"{folder}/run", folder, 0.0)
        self._since = self._board.now()
        self.started()
        return self._running


class Machine:
    """ApplicationControl port of a root filesystem: the boot is the start, and nothing of it outlives one."""

    def __init__(self, board: Board, slots: SimSlots, boot: FakeBoot, conduct: CONDUCT) -> None:
        self._board, self._slots, self._boot, self._conduct = board, slots, boot, conduct
        self.started: Callable[[], None] = lambda: None

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        with self._board.around("start"):
            raise Ended(End(Cause.CLEAN_RESTART))

    def stop(self) -> None:
        """A root stops with the machine."""

    def running(self) -> Running | None:
        return Running(self._board.boot_id(), 1, self._boot.current(), "/usr/bin/python3", "/", self.uptime_s())

    def tend(self) -> None:
        """Whether this root lives is not for what runs in it to answer."""

    def spec(self, slot: SlotName, manifest: Manifest) -> AppSpec | None:
        return None

    def log_tail(self, lines: int = 40) -> str:
        return "the last words of a simulated kernel"

    def endpoint(self) -> Mapping[str, str]:
        return {}

    def bring_back(self, slot: SlotName) -> None:
        raise Ended(End(Cause.CLEAN_RESTART))

    def lose(self) -> None:
        """The board has lost it already."""

    def uptime_s(self) -> float:
        return self._board.now() - self._board.up_since

    def version(self) -> str | None:
        manifest = self._slots.installed(self._boot.current())
        return manifest.version if manifest else None

    def slot(self) -> SlotName | None:
        return self._boot.current()

    def conduct(self) -> Conduct:
        return self._conduct(self.version() or "")


Runs = Process | Machine


def system_folder(folder: Path) -> Path:
    """A root that has what arming asks a machine for: a program that restarts it, and a kernel's command line."""
    program = folder / "usr/sbin/reboot"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    write_command_line(folder, SlotName.A)
    return folder


def write_command_line(folder: Path, slot: SlotName) -> None:
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc/cmdline").write_text(f"quiet surefoot.slot={slot.value}\n")
