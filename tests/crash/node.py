"""A device on a volatile medium: real journal, slots, boot control, trial, application control and guard.

Simulated are what is outside the device's own writes: the clock, the processes, the server's answers, and health.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.runner import Runner
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.trial import TrialFile
from surefoot_shared.status import AttemptState, Outcome, SlotState
from tests.agent.fakes import Device
from tests.crash.medium import Cut, Medium
from tests.crash.processes import Table

LIMIT_S = 900.0


class End(str, Enum):
    """How the world ends: the agent alone dies; the power goes and takes what was not synced, or a part of it."""

    KILLED = "killed"
    POWER = "power"
    PARTLY = "power, a part was kept"


class Back(str, Enum):
    """Who comes back afterwards. The guard looks only once the time that the agent had is over."""

    AGENT = "agent"
    GUARD_FIRST = "guard first"
    GUARD_ALONE = "guard alone"


class Node(Device):
    """A directory slot behind the link; 1.0 is installed, good, current and running."""

    def __init__(self, folder: Path) -> None:
        self.medium = Medium(folder)
        super().__init__(folder)
        self.table = Table(self.world, self.medium)
        self.slots = DirectorySlots(self.component_dir)  # type: ignore[assignment]
        self.boot_control = SymlinkBoot(self.component_dir)  # type: ignore[assignment]
        self.trials = TrialFile(self.component_dir)  # type: ignore[assignment]
        self.downloader._slots = self.slots
        self.application = Application(  # type: ignore[assignment]
            self.component_dir, self.slots, metrics_port=20_000, clock=lambda: self.world.now
        )
        with self.table.active():
            self.application.start(self.boot_control.current(), self.manifests["1.0"])
        self.medium.trace.clear()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        with self.table.active(), self.medium.active():
            yield

    def run(self, cut_at: int = 0, torn: bool = False) -> Runner | None:
        """Start an agent and let it work until its attempt ended; None where the world ended first."""
        self.medium.cut_at, self.medium.torn = cut_at, torn
        with self.active():
            try:
                runner = self.start_agent()
                self.run_until_idle(runner, LIMIT_S)
                return runner
            except Cut:
                return None

    def guard(self) -> None:
        """Let the guard look once the time of the agent is over; twice, as after a reboot it counts a start first."""
        for _ in range(2):
            self.world.now += 2 * self.guard_budget_s
            with self.active(), contextlib.suppress(Cut):
                guard.look(self.component_dir)

    def end(self, how: End, seed: int = 0) -> None:
        """What the end of the world leaves."""
        if self.journal is not None:
            self.journal.close()  # type: ignore[operator]
            self.journal = None
        if how is End.KILLED:
            self.medium.revive()
            return
        self.medium.cut_power(random.Random(seed) if how is End.PARTLY else None)
        self.table.power_off()
        self.cut_power()

    def close(self) -> None:
        if self.journal is not None:
            self.journal.close()  # type: ignore[operator]
        self.medium.close()

    def running_version(self) -> str | None:
        with self.table.active():
            running = self.application.running()
        manifest = self.slots.installed(running.slot) if running else None
        return manifest.version if manifest else None

    # --- what must hold -----------------------------------------------------------------------------------------------

    def broken_promises(self, allowed: set[Outcome]) -> list[str]:
        """Say what is wrong with a device at rest; nothing where it is old or new, whole, and said so once."""
        outcomes = [(assignment, outcome) for assignment, outcome, _ in self.server.outcomes()]
        if [a for a, _ in outcomes] != ["a-1"] or outcomes[0][1] not in allowed:
            return [f"the server was told {outcomes}"]
        wanted = "1.1" if outcomes[0][1] is Outcome.COMMITTED else "1.0"
        current, trial = self.boot_control.current(), guard.load_record(self.component_dir, "trial")
        with self.table.active():
            checks = {
                f"boots {self.linked_version()}, not {wanted}": self.linked_version() == wanted,
                f"runs {self.running_version()}, not {wanted}": self.running_version() == wanted,
                "more than one application runs": len(self.table.alive) == 1,
                "the slot that boots is not good": self.boot_control.state(current) is SlotState.GOOD,
                "the slot that boots is not whole": self._whole(),
                "the guard would still act": trial is None or not guard.must_act(trial, 1e12),
            }
        if outcomes[0][1] is not Outcome.COMMITTED:
            checks["what failed is still good"] = self.boot_control.state(current.other) is not SlotState.GOOD
        return [what for what, holds in checks.items() if not holds]

    def broken_without_an_agent(self, how: End) -> list[str]:
        """Say what is wrong where the guard alone came back: nothing new may stay that was not found healthy."""
        trial = guard.load_record(self.component_dir, "trial") or {}
        linked, running = self.linked_version(), self.running_version()
        broken = []
        if linked != "1.0" and trial.get("verdict") != "healthy":
            broken.append(f"boots {linked}, which nobody found healthy")
        if how is End.KILLED and running != linked:
            broken.append(f"runs {running}, boots {linked}")
        return broken

    def _whole(self) -> bool:
        self.slots.verify(self.boot_control.current())
        return True

    def is_idle(self) -> bool:
        with self.active():
            return self.start_agent().record.state is AttemptState.IDLE
