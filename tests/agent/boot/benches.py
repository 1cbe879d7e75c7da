"""One device's boot control, each kind on its own medium in a folder: what every kind is tested on.

Promises: `open` gives a boot control that knows only what the medium holds, as after a death; `enter` is a start of
the machine, by the bootloader that belongs to the kind, on the very same bytes.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot.environment import Environment
from surefoot_agent.boot.script import ScriptBoot
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.boot.variables import Mender, Names, Rauc, Surefoot, Variables
from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotState
from surefoot_simulators.bootloader import flows
from surefoot_simulators.bootloader.environment import Medium

Marks = tuple[SlotState, SlotState]
OWN, LETTERS = Surefoot(), Names("A", "B")


@dataclass(frozen=True)
class Bench:
    """`marks` are what a new device says of A and B; `reads` tells a call that only asks from one that writes."""

    folder: Path
    marks: Marks = (SlotState.EMPTY, SlotState.EMPTY)

    @property
    def media(self) -> tuple[Path, ...]:
        """What a program that boot control starts may write to."""
        return ()

    def open(self) -> BootControl:
        raise NotImplementedError

    def enter(self) -> None:
        raise NotImplementedError

    def reads(self, argv: list[str]) -> bool:
        raise NotImplementedError

    @property
    def of_others(self) -> frozenset[str]:
        """Files whose writer is not ours: it answers for what a torn write of its own leaves."""
        return frozenset()


class SymlinkBench(Bench):
    def open(self) -> BootControl:
        return SymlinkBoot(self.folder)

    def enter(self) -> None:
        """A directory slot is entered by the flip itself."""

    def reads(self, argv: list[str]) -> bool:
        return False


@dataclass(frozen=True)
class UBootBench(Bench):
    variables: Variables = OWN
    names: Names = LETTERS
    flow: flows.Flow = flows.surefoot
    argument: str = "surefoot.slot={}"

    @property
    def medium(self) -> Medium:
        return Medium(self.folder / "bootstate")

    @property
    def media(self) -> tuple[Path, ...]:
        return (self.medium.path,)

    def factory(self) -> UBootBench:
        """A new device: the medium is empty, and the bootloader has started once; its own scripts fill some sectors."""
        self.medium.path.write_bytes(bytes(0x2000))
        self.medium.config(self.folder / "fw_env.config")
        self.enter()
        self.medium.write({"altbootcmd": "run a; " * 150, **(self.medium.read() or {}), "zboot": "run z; " * 150})
        return self

    def open(self) -> BootControl:
        environment = Environment(self.folder / "fw_env.config")
        key = self.argument.partition("=")[0]
        return UBoot(self.folder, environment, self.variables, self.names, key, self.folder / "cmdline")

    def enter(self) -> None:
        for _ in range(3):  # a reset, where nothing could be started, is another try
            start = self.flow(self.medium.read(), (self.names.a, self.names.b))
            for _ in range(start.written):
                self.medium.write(start.variables)
            if start.entered is not None:
                line = f"console=ttyS0 panic=5 {self.argument.format(start.entered)} quiet\n"
                (self.folder / "cmdline").write_text(line)
                return
        raise AssertionError("nothing starts any more")

    def reads(self, argv: list[str]) -> bool:
        return argv[0] == "fw_printenv"


def surefoot(folder: Path) -> Bench:
    return UBootBench(folder).factory()


def rauc(folder: Path) -> Bench:
    marks = (SlotState.GOOD, SlotState.GOOD)  # RAUC takes every slot of its order for good
    names = Names("system0", "system1")
    flow = functools.partial(flows.rauc, names=("system0", "system1"))
    return UBootBench(folder, marks, Rauc(names), names, flow, "rauc.slot={}").factory()


def mender(folder: Path) -> Bench:
    marks = (SlotState.GOOD, SlotState.BAD)
    names = Names("2", "3")
    return UBootBench(folder, marks, Mender(names), names, flows.mender, "root=/dev/mmcblk0p{}").factory()


class ScriptBench(Bench):
    """A board whose script keeps RAUC's order and counts in files, which its bootloader reads too."""

    def factory(self) -> ScriptBench:
        shutil.copy(Path(__file__).with_name("board.sh"), self.folder / "board.sh")
        for name, text in (("order", "one two"), ("left_one", "3"), ("left_two", "3"), ("booted", "one")):
            (self.folder / name).write_text(f"{text}\n")
        return self

    def open(self) -> BootControl:
        return ScriptBoot(self.folder / "board.sh", Names("one", "two"), self.folder)

    def enter(self) -> None:
        env = {f"BOOT_{slot}_LEFT": self._kept(f"left_{slot}") for slot in ("one", "two")}
        start = flows.rauc({"BOOT_ORDER": self._kept("order"), **env}, ("one", "two"), ("one", "two"))
        for name, value in start.variables.items():
            if name != "BOOT_ORDER":
                slot = name.removeprefix("BOOT_").removesuffix("_LEFT")
                (self.folder / f"left_{slot}").write_text(f"{value}\n")
        if start.entered is None:
            return self.enter()
        (self.folder / "booted").write_text(f"{start.entered}\n")
        return None

    def reads(self, argv: list[str]) -> bool:
        return argv[1].startswith("get-")

    @property
    def of_others(self) -> frozenset[str]:
        return frozenset({"order", "left_one", "left_two", "booted"})

    def _kept(self, name: str) -> str:
        return (self.folder / name).read_text().strip()


def script(folder: Path) -> Bench:
    return ScriptBench(folder, (SlotState.GOOD, SlotState.GOOD)).factory()


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "symlink": SymlinkBench,
    "surefoot": surefoot,
    "rauc": rauc,
    "mender": mender,
    "script": script,
}
