"""A device whose component is its own root: image slots, a bootloader, and a restart of the machine at every switch.

Real are the image slots, boot control, trial, journal and guard, all on one volatile medium; played are the bootloader
with its tools (`loaders`), the kernel's word of what it started, health, clock and server. A slot starts where it holds
a whole release; a release that cannot be executed panics, which is a reset.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from surefoot_agent import effects, guard
from surefoot_agent.boot import environment, tool
from surefoot_agent.lanes import Lanes
from surefoot_agent.ports import BootControl, Piece, Progress, Running, Say, Slots, Wish, never, silent
from surefoot_agent.reset_cause import Cause
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.runner import Runner
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.trial import TrialFile
from surefoot_agent.way_back import way_back
from surefoot_shared.messages import Lease
from surefoot_shared.release import Manifest
from surefoot_shared.status import Outcome, SlotName, SlotState
from tests.agent.fakes import FRAME, QUICK, Part
from tests.agent.images import BLOCK, MadeImage, image_release, install, two_devices
from tests.crash.loaders import Loader
from tests.crash.medium import Cut
from tests.crash.node import LIMIT_S, End, Node
from tests.crash.processes import Table

RESETS = 24
"""More than the starts of every trial and of a committed slot without a sign of life together."""
VERSIONS = ("1.0", "1.1")


class Restarted(BaseException):
    """The machine went down in order: nothing in the code under test may catch it."""


def content(version: str) -> bytes:
    """Six blocks: own ones, one of zeros, and one that both releases have."""
    own = [f"{version} {number}".encode().ljust(BLOCK, b".") for number in range(4)]
    return b"".join([own[0], bytes(BLOCK), b"the same in all".ljust(BLOCK, b"."), *own[1:]])


def made(version: str, component: str) -> MadeImage:
    plain = image_release(content(version), version, component)
    return replace(plain, manifest=replace(plain.manifest, checks=(FRAME,), probation=QUICK))


class Downloads:
    """Downloader port: every piece is at hand."""

    def __init__(self, slots: Slots, releases: Sequence[MadeImage]) -> None:
        self._slots, self._releases = slots, {release.digest: release for release in releases}

    def manifest(self, wish: Wish, lease: Lease, stop: Callable[[], bool] = never) -> bytes:
        return self._releases[wish.digest].raw

    def fill(
        self,
        wish: Wish,
        manifest: Manifest,
        slot: SlotName,
        lease: Lease,
        progress: Progress,
        stop: Callable[[], bool],
        say: Say = silent,
    ) -> None:
        release = self._releases[wish.digest]
        for piece in self._slots.missing(slot):
            for left in self._slots.reuse(slot, piece):
                self._slots.write(slot, left, functools.partial(_source, release, left))


def _source(release: MadeImage, piece: Piece, offset: int) -> Any:
    return release.source(piece, offset)


class Root(RootFilesystem):
    """What runs is what the bootloader entered; `/proc` of the machine under the tests shows another root."""

    def __init__(self, node: RootNode, boot: BootControl, slots: Slots, system: Path) -> None:
        super().__init__(boot, slots, node.go_down, system=system)
        self._node, self._control = node, boot

    def running(self) -> Running | None:
        if self._control.current() is not self._node.entered:
            return None
        return Running(self._node.world.boot_id(), 1, self._node.entered, "/usr/bin/python3", "/", 0.0)


class RootTable(Table):
    """The kernel as the guard sees it: it starts no application, but runs boot control's tool and the restart."""

    SubprocessError = OSError
    node: RootNode

    def run(self, argv: Sequence[str], **_: Any) -> None:
        if Path(argv[0]).name == "reboot":
            self.node.go_down()
        self.node.loader.tool(argv)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        node = self.node
        with super().active(), contextlib.ExitStack() as stack:
            for target, name, ours in (
                (tool, "run", node.loader.tool),
                (guard, "CMDLINE", node.proc / "cmdline"),
                (effects, "way_back", lambda boot, previous, _: way_back(boot, previous, node.system)),
                (environment.shutil, "which", lambda name, path=None: f"/usr/bin/{name}"),
            ):
                stack.enter_context(mock.patch.object(target, name, ours))
            yield


class RootNode(Node):
    """1.0 is installed in slot A, committed, entered and running. `make_loader` is given the folder and its /proc."""

    def __init__(self, folder: Path, make_loader: Callable[[Path, Path], Loader]) -> None:
        self.system = folder.with_name(f"{folder.name}.system")
        shutil.rmtree(self.system, ignore_errors=True)
        self.proc = self.system / "proc"
        self.proc.mkdir(parents=True)
        (self.system / "usr/sbin").mkdir(parents=True)
        (self.system / "usr/sbin/reboot").touch(0o755)
        self.entered: SlotName | None = None
        self.loader = make_loader(folder, self.proc)
        self._contents = {content(version): version for version in VERSIONS}
        self._releases = [made(version, "app") for version in VERSIONS]
        super().__init__(folder)
        self.manifests.update({release.manifest.version: release.manifest for release in self._releases})

    # --- how a root differs from an application -----------------------------------------------------------------------

    def make_table(self) -> Table:
        table = RootTable(self.world, self.medium)
        table.node = self
        return table

    def equip(self, part: Part) -> None:
        shutil.rmtree(part.component_dir)
        part.component_dir.mkdir()
        part.trials = TrialFile(part.component_dir)  # type: ignore[assignment]
        part.reboots = True
        self._devices = two_devices(self.folder / "dev", 8 * BLOCK)
        (self.folder / "board.sh").touch(0o755)
        self._take_hands(part)
        install(part.slots, SlotName.A, self._releases[0])
        self.loader.factory()

    def _take_hands(self, part: Part) -> None:
        """Those of a new process: nothing is remembered but what is on the medium."""
        slots, boot = ImageSlots(part.component_dir, self._devices), self.loader.control(part.component_dir)
        part.slots, part.boot_control = slots, boot  # type: ignore[assignment]
        self.boot_control = boot  # type: ignore[assignment]
        part.downloader = Downloads(slots, self._releases)  # type: ignore[assignment]
        part.application = Root(self, boot, slots, self.system)  # type: ignore[assignment]

    def start_agent(self, lanes: Lanes | None = None) -> Runner:
        for part in self.parts.values():
            self._take_hands(part)
        return super().start_agent(lanes)

    def begin(self, part: Part) -> None:
        part.boot_control.commit(SlotName.A)
        self.start_machine(Cause.CLEAN_RESTART)

    def running(self, component: str = "app") -> str | None:
        return self._holds(self.entered) if self.entered else None

    def run(self, cut_at: int = 0, torn: bool = False, limit_s: float = LIMIT_S) -> Runner | None:
        self.medium.cut_at, self.medium.torn = cut_at, torn
        while True:
            with self.active():
                try:
                    runner = self.start_agent()
                    self.run_until_idle(runner, limit_s)
                    return runner
                except Cut:
                    return None
                except Restarted:
                    pass
            self._came_down()

    def guard(self) -> None:
        """It looks again and again, over restarts that it ordered itself."""
        for _ in range(6):
            self.world.now += 2 * self.guard_budget_s
            try:
                with self.active():
                    guard.look(self.component_dir)
            except Restarted:
                self._came_down()

    def end(self, how: End, seed: int = 0) -> None:
        super().end(how, seed)
        if how is not End.KILLED:
            self.start_machine(Cause.POWER_CUT)

    def go_down(self) -> None:
        self.medium.point("restart")
        raise Restarted

    def _came_down(self) -> None:
        """In order: whatever was written is on the medium."""
        self.abandon()
        self.medium.settle()
        self.start_machine(Cause.CLEAN_RESTART)

    def start_machine(self, cause: Cause) -> None:
        """Reset until something stays up."""
        self.restart(cause)
        for _ in range(RESETS):
            slot = self.loader.start([slot for slot in SlotName if self._holds(slot) is not None])
            if slot is not None and self._holds(slot) not in self.table.broken:
                self.entered = slot
                return
        raise AssertionError("nothing starts any more")

    def _holds(self, slot: SlotName) -> str | None:
        """The version that the slot's device carries, whole; nothing else can be started."""
        return self._contents.get(self._devices[slot].read_bytes()[: len(content("1.0"))])

    # --- what must hold -----------------------------------------------------------------------------------------------

    def broken_promises(self, allowed: set[Outcome]) -> list[str]:
        """Also: the machine, started once more by whatever reason, is what it was."""
        broken = super().broken_promises(allowed)
        before = self.running()
        self.medium.revive()
        self.start_machine(Cause.POWER_CUT)
        return broken + ([] if self.running() == before else [f"started once more it is {self.running()}"])

    def broken_without_an_agent(self, how: End) -> list[str]:
        """A release whose commit was issued was found healthy, though its verdict may not be stored yet."""
        trial = guard.load_record(self.component_dir, "trial") or {}
        runs = self.running()
        with self.table.active():
            issued = self.entered is not None and self.boot_control.state(self.entered) is SlotState.GOOD
        healthy = trial.get("verdict") == "healthy" or issued
        self.start_machine(Cause.POWER_CUT)
        return [
            f"{when} {version} runs, which nobody found healthy"
            for when, version in (("now", runs), ("after one more start", self.running()))
            if version != "1.0" and not healthy
        ]

    def _wrong(self, part: Part, committed: bool) -> list[str]:
        wanted = "1.1" if committed else "1.0"
        boot, trial = part.boot_control, guard.load_record(part.component_dir, "trial")
        current = boot.current()
        part.slots.verify(current)  # raises where the slot that runs is not whole
        checks = {
            f"{self.running()} runs, not {wanted}": self.running() == wanted,
            f"{boot.primary()} is entered next, not {current}": boot.primary() is current,
            f"the slot that runs is {boot.state(current)}": boot.state(current) is SlotState.GOOD,
            f"the guard would still act: {trial}": trial is None or not guard.must_act(trial, 1e12),
            "what failed is still good": committed or boot.state(current.other) is not SlotState.GOOD,
        }
        return [what for what, holds in checks.items() if not holds]

    def _alone(self) -> list[str]:
        return []


def root_node(make_loader: Callable[[Path, Path], Loader]) -> Callable[[Path], Node]:
    return lambda folder: RootNode(folder, make_loader)
