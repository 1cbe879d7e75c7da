"""Boards whose GRUB switches: by Surefoot's script and its two blocks, and by Mender's scripts with theirs."""

from __future__ import annotations

from pathlib import Path

from surefoot_agent.boot.grub import GrubEnvironment
from surefoot_agent.boot.mender_grub import MenderGrubEnvironment, Pair
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.boot.variables import MenderGrub, Names, Surefoot
from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotState
from surefoot_simulators.bootloader import flows
from surefoot_simulators.bootloader.grubenv import Copies
from surefoot_simulators.bootloader.mender_grub import MenderGrub as MenderGrubScripts
from tests.agent.boot.bench import Bench


class GrubBench(Bench):
    """Two environment blocks that Linux changes with the real tool; the bootloader is the port of Surefoot's script."""

    @property
    def copies(self) -> Copies:
        return Copies((self.folder / "copy0", self.folder / "copy1"))

    @property
    def media(self) -> tuple[Path, ...]:
        return self.copies.paths

    def factory(self) -> GrubBench:
        self.copies.format()
        self.enter()
        return self

    def open(self) -> BootControl:
        key = "surefoot.slot"
        return UBoot(
            self.folder, GrubEnvironment(self.copies.paths), Surefoot(), Names("A", "B"), key, self.folder / "cmdline"
        )

    def enter(self) -> None:
        start = flows.surefoot(self.copies.read(), ("A", "B"))
        for _ in range(start.written):
            self.copies.write(start.variables)
        (self.folder / "cmdline").write_text(f"panic=5 surefoot.slot={start.entered}\n")

    def reads(self, argv: list[str]) -> bool:
        return argv[-1] == "list"


def grub(folder: Path) -> Bench:
    return GrubBench(folder).factory()


class MenderGrubBench(Bench):
    """Mender's two blocks and locks, changed with the real tool; the bootloader is the port of Mender's decisions."""

    @property
    def scripts(self) -> MenderGrubScripts:
        first, second = (Pair(self.folder / f"env{n}", self.folder / f"lock{n}") for n in (1, 2))
        return MenderGrubScripts((first, second))

    @property
    def environment(self) -> MenderGrubEnvironment:
        return MenderGrubEnvironment(self.scripts.pairs)

    @property
    def media(self) -> tuple[Path, ...]:
        return tuple(file for pair in self.scripts.pairs for file in (pair.env, pair.lock))

    def factory(self) -> MenderGrubBench:
        self.scripts.format()
        self.enter()
        return self

    def open(self) -> BootControl:
        names = Names("2", "3")
        return UBoot(self.folder, self.environment, MenderGrub(names), names, "root", self.folder / "cmdline")

    def enter(self) -> None:
        (self.folder / "cmdline").write_text(f"panic=5 root=/dev/sda{self.scripts.start()}\n")

    def reads(self, argv: list[str]) -> bool:
        return argv[-1] == "list"


def mender_grub(folder: Path) -> Bench:
    return MenderGrubBench(folder, (SlotState.GOOD, SlotState.BAD)).factory()
