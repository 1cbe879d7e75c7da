"""A device on a volatile medium: real journal, slots, boot control, trial, application control and guard.

Simulated are what is outside the device's own writes: the clock, the processes, the server's answers, and health.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.data import DataFolder
from surefoot_agent.runner import Runner
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.trial import TrialFile
from surefoot_shared.status import AttemptState, Outcome, SlotState
from tests.agent.fakes import Device, Part
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
    """Directory slots behind a link for each component; 1.0 is installed, good, current and running."""

    def __init__(self, folder: Path, components: Sequence[str] = ("app",)) -> None:
        self.medium = Medium(folder)
        super().__init__(folder, components)
        self.table = self.make_table()
        for part in self.parts.values():
            self.equip(part)
            with self.table.active():
                self.begin(part)
        self.medium.trace.clear()

    def make_table(self) -> Table:
        return Table(self.world, self.medium)

    def equip(self, part: Part) -> None:
        """Give a component its real hands."""
        part.slots = DirectorySlots(part.component_dir)  # type: ignore[assignment]
        part.boot_control = SymlinkBoot(part.component_dir)  # type: ignore[assignment]
        part.trials = TrialFile(part.component_dir)  # type: ignore[assignment]
        part.downloader._slots = part.slots
        part.data = DataFolder(part.component_dir)  # type: ignore[assignment]
        (part.component_dir / "data" / "format").write_text("1")
        part.application = Application(  # type: ignore[assignment]
            part.component_dir, part.slots, metrics_port=20_000, clock=lambda: self.world.now
        )

    def begin(self, part: Part) -> None:
        """Let it run what is installed."""
        part.application.start(part.boot_control.current(), part.manifests["1.0"])

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        with self.table.active(), self.medium.active():
            yield

    def run(self, cut_at: int = 0, torn: bool = False, limit_s: float = LIMIT_S) -> Runner | None:
        """Start an agent and let it work until its attempt ended; None where the world ended first."""
        self.medium.cut_at, self.medium.torn = cut_at, torn
        with self.active():
            try:
                runner = self.start_agent()
                self.run_until_idle(runner, limit_s)
                return runner
            except Cut:
                return None

    def abandon(self) -> None:
        """The agent went down by itself; what it wrote is there."""
        if self.journal is not None:
            self.journal.close()  # type: ignore[operator]
            self.journal = None

    def running(self, component: str = "app") -> str | None:
        return self._running_version(self.parts[component])

    def slots_of(self, component: str) -> DirectorySlots:
        return self.parts[component].slots

    def guard(self) -> None:
        """Let the guard look once the time of the agent is over; twice, as after a reboot it counts a start first."""
        for _ in range(2):
            self.world.now += 2 * max(self.guard_budget_s, *map(_budget_s, self.parts.values()), 0.0)
            for part in self.parts.values():
                with self.active():
                    guard.look(part.component_dir)

    def end(self, how: End, seed: int = 0) -> None:
        """What the end of the world leaves."""
        self.abandon()
        if how is End.KILLED:
            self.medium.revive()
            return
        self.medium.cut_power(random.Random(seed) if how is End.PARTLY else None)
        self.table.power_off()
        self.cut_power()

    def close(self) -> None:
        self.abandon()
        self.medium.close()

    # --- what must hold -----------------------------------------------------------------------------------------------

    def broken_promises(self, allowed: set[Outcome]) -> list[str]:
        """Say what is wrong with a device at rest; nothing where it is old or new, whole, and said so once."""
        told = sorted((str(assignment), outcome) for assignment, outcome, _ in self.server.outcomes())
        ends = {outcome for _, outcome in told}
        if [a for a, _ in told] != self.assignments or len(ends) != 1 or not ends <= allowed:
            return [f"the server was told {told}"]
        committed = ends == {Outcome.COMMITTED}
        with self.table.active():
            broken = [wrong for part in self.parts.values() for wrong in self._wrong(part, committed)]
        return broken + self._alone()

    def broken_without_an_agent(self, how: End) -> list[str]:
        """Say what is wrong where the guard alone came back: nothing new may stay that was not found healthy."""
        broken = []
        for part in self.parts.values():
            trial = guard.load_record(part.component_dir, "trial") or {}
            linked, running = part.linked_version(), self._running_version(part)
            if linked != "1.0" and trial.get("verdict") != "healthy":
                broken.append(f"{part.name} boots {linked}, which nobody found healthy")
            if how is End.KILLED and running != linked:
                broken.append(f"{part.name} runs {running}, boots {linked}")
            if linked == "1.0" and self._form(part) != "1":
                broken.append(f"{part.name} boots 1.0 on data of form {self._form(part)}")
        return broken

    def _wrong(self, part: Part, committed: bool) -> list[str]:
        wanted = "1.1" if committed else "1.0"
        current, trial = part.boot_control.current(), guard.load_record(part.component_dir, "trial")
        running, other = self._running_version(part), part.boot_control.state(current.other)
        changes, kept = part.manifests["1.1"].data is not None, guard.load_record(part.component_dir, "data")
        form = "2 for good" if committed and changes else "1"
        part.slots.verify(current)  # raises where the slot that boots is not whole
        checks = {
            f"{part.name} boots {part.linked_version()}, not {wanted}": part.linked_version() == wanted,
            f"{part.name} runs {running}, not {wanted}": running == wanted,
            f"{part.name} boots a slot that is not good": part.boot_control.state(current) is SlotState.GOOD,
            f"{part.name}: the guard would still act": trial is None or not guard.must_act(trial, 1e12),
            f"{part.name}: what failed is still good": committed or other is not SlotState.GOOD,
            f"{part.name} has data of form {self._form(part)}, not {form}": self._form(part) == form,
            f"{part.name}: the data are still away": kept is None or kept["phase"] not in ("kept", "going_back"),
        }
        return [what for what, holds in checks.items() if not holds]

    def _form(self, part: Part) -> str:
        return (part.component_dir / "data" / "format").read_text()

    def _alone(self) -> list[str]:
        running = len(self.table.alive)
        return [] if running == len(self.parts) else [f"{running} applications run"]

    def _running_version(self, part: Part) -> str | None:
        with self.table.active():
            running = part.application.running()
        manifest = part.slots.installed(running.slot) if running else None
        return manifest.version if manifest else None

    @property
    def assignments(self) -> list[str]:
        """What was assigned, in order."""
        return sorted({w.assignment for decision in self.trust.decisions.values() for w in decision.wishes})

    def is_idle(self) -> bool:
        with self.active():
            return self.start_agent().record.state is AttemptState.IDLE


def _budget_s(part: Part) -> float:
    """Of a trial whose release changes the data, which takes its time."""
    trial = guard.load_record(part.component_dir, "trial") or {}
    return float(str(trial.get("budget_s", 0.0)))
