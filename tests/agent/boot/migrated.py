"""A device that RAUC or Mender ran until today: its environment and boot script, its root in slot A, and our agent.

Promises: slot A holds what nobody of ours wrote; a switch is a restart of the machine by the bootloader of the bench,
on the bytes that the real tools of libubootenv wrote; each restart starts a new agent on what the one before stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from surefoot_agent.ports import Running
from surefoot_agent.reset_cause import Cause
from surefoot_agent.runner import Runner
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName
from tests.agent.boot.benches import Bench
from tests.agent.fakes import Device


class Restarted(BaseException):
    """The machine went down: nothing after it ran."""


class Root:
    """The machine's root: whatever slot the bootloader entered last; each boot is a start."""

    def __init__(self, device: Migrated) -> None:
        self._device = device

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        raise Restarted

    def stop(self) -> None: ...
    def tend(self) -> None: ...

    def running(self) -> Running | None:
        boot = self._device.world.boot
        return Running(f"boot-{boot}", 1, self._device.bench.open().current(), "/usr/bin/python3", "/", 0.0)

    def spec(self, slot: SlotName, manifest: Manifest) -> None: ...
    def log_tail(self, lines: int = 40) -> str:
        return ""

    def endpoint(self) -> Mapping[str, str]:
        return {}


class Migrated(Device):
    def __init__(self, folder: Path, bench: Bench) -> None:
        self.bench = bench
        super().__init__(folder)
        part = self.parts["app"]
        part.slots.clear(SlotName.A)
        part.boot_control, part.application, part.reboots = bench.open(), Root(self), True  # type: ignore[assignment]
        self.entered = [bench.open().current()]

    def restart_machine(self, cause: Cause = Cause.CLEAN_RESTART) -> None:
        self.bench.enter()
        self.entered.append(self.bench.open().current())
        self.reset = cause
        self.world.boot += 1

    def live(self) -> Runner:
        """Let agents work until the attempt ended, however often the machine restarts."""
        for _ in range(9):
            try:
                runner = self.start_agent()
                self.run_until_idle(runner)
                return runner
            except Restarted:
                self.restart_machine()
        raise AssertionError(f"it restarts for ever: {self.entered}")
