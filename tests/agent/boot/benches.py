"""One device's boot control, each kind on its own medium in a folder: what every kind is tested on.

Promises: `open` gives a boot control that knows only what the medium holds, as after a death; `enter` is a start of
the machine, by the bootloader that belongs to the kind, on the very same bytes.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot import cmdline
from surefoot_agent.boot.efi import Efi
from surefoot_agent.boot.environment import Environment
from surefoot_agent.boot.jetson import ATTRIBUTES, GUID, NORMAL, UNBOOTABLE, Jetson
from surefoot_agent.boot.noted import NotedBoot
from surefoot_agent.boot.script import ScriptBoot
from surefoot_agent.boot.sdboot import SystemdBoot
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.boot.tryboot import GET, Tryboot
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.boot.variables import Mender, Names, Rauc, Surefoot, Variables
from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotName, SlotState
from surefoot_simulators import bootloader
from surefoot_simulators.bootloader import firmware, flows
from surefoot_simulators.bootloader.environment import Medium
from tests.agent.boot.bench import Bench
from tests.agent.boot.grub_benches import grub, mender_grub

EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
"""Of the variables that UEFI itself defines."""
OWN, LETTERS = Surefoot(), Names("A", "B")


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


TOOLS = Path(bootloader.__file__).parent / "tools"


class TrybootBench(Bench):
    """A Raspberry Pi: its file and device tree, the emulated mailbox, and the emulated firmware."""

    def factory(self) -> TrybootBench:
        shutil.copy(TOOLS / "vcmailbox", self.folder)
        text = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
        (self.folder / "autoboot.txt").write_bytes(text.encode().ljust(512, b"\n"))
        (self.folder / "flags").write_text("0\n")
        self.enter()
        return self

    def open(self) -> BootControl:
        mailbox = str(self.folder / "vcmailbox")
        board = Tryboot(self.folder, self.folder / "autoboot.txt", Names("2", "3"), mailbox, self.folder)
        return NotedBoot(board, self.folder)

    def enter(self) -> None:
        flags = int((self.folder / "flags").read_text())
        pi = firmware.raspberry_pi((self.folder / "autoboot.txt").read_bytes(), flags)
        (self.folder / "flags").write_text("0\n")
        (self.folder / "partition").write_bytes(pi.partition.to_bytes(4, "big"))

    def lose_power(self) -> None:
        """The flag is in a register."""
        (self.folder / "flags").write_text("0\n")
        self.enter()

    def reads(self, argv: list[str]) -> bool:
        return argv[1] == GET

    @property
    def of_others(self) -> frozenset[str]:
        return frozenset({"flags", "partition"})


class JetsonBench(Bench):
    """A Jetson with redundant roots: the emulated nvbootctrl, the firmware's variables, and the emulated launcher."""

    def factory(self, redundancy: int = 1) -> JetsonBench:
        shutil.copy(TOOLS / "nvbootctrl", self.folder)
        for name, text in (("current", "0"), ("active", "0"), ("retry_0", "3"), ("retry_1", "3")):
            (self.folder / name).write_text(f"{text}\n")
        self.variable("RootfsRedundancyLevel", redundancy)
        if redundancy:
            self.variable("RootfsStatusSlotA", NORMAL)
            self.variable("RootfsStatusSlotB", NORMAL)
        return self

    def variable(self, name: str, value: int) -> None:
        (self.folder / f"{name}-{GUID}").write_bytes(ATTRIBUTES + bytes((value, 0, 0, 0)))

    def open(self) -> BootControl:
        return NotedBoot(Jetson(self.folder, str(self.folder / "nvbootctrl"), self.folder), self.folder)

    def enter(self) -> None:
        entered, left = firmware.jetson(self._roots())
        assert entered is not None, "only the recovery kernel starts any more"
        self._keep(left)
        (self.folder / "current").write_text(f"{entered}\n")

    def lose_power(self) -> None:
        """The counts are in a register."""
        self._keep(firmware.jetson_cold(self._roots()))
        self.enter()

    def _roots(self) -> firmware.Roots:
        files = [self.folder / f"RootfsStatusSlot{slot}-{GUID}" for slot in "AB"]
        first, second = (file.exists() and file.read_bytes()[4] == UNBOOTABLE for file in files)
        return firmware.Roots(self._kept("active"), (self._kept("retry_0"), self._kept("retry_1")), (first, second))

    def _keep(self, roots: firmware.Roots) -> None:
        for name, number in (("active", roots.active), ("retry_0", roots.left[0]), ("retry_1", roots.left[1])):
            (self.folder / name).write_text(f"{number}\n")
        for slot, bad in zip("AB", roots.unbootable, strict=True):
            if bad and (self.folder / f"RootfsStatusSlot{slot}-{GUID}").exists():
                self.variable(f"RootfsStatusSlot{slot}", UNBOOTABLE)

    def reads(self, argv: list[str]) -> bool:
        return argv[-1] in ("dump-slots-info", "get-current-slot") or argv[0] == "chattr"

    @property
    def of_others(self) -> frozenset[str]:
        own = {f"{name}-{GUID}" for name in ("RootfsStatusSlotA", "RootfsStatusSlotB")}  # a variable is whole or old
        return frozenset({"current", "active", "retry_0", "retry_1", *own})

    def _kept(self, name: str) -> int:
        return int((self.folder / name).read_text())


class EfiBench(Bench):
    """UEFI firmware whose variables are files, changed by the real efibootmgr; an entry for each slot, and a stick."""

    names = Names("slot_a", "slot_b")

    def factory(self) -> EfiBench:
        shutil.copy(TOOLS / "efibootmgr", self.folder)
        for number, label in ((1, self.names.of(SlotName.A)), (2, self.names.of(SlotName.B)), (7, "USB stick")):
            self.variable(f"Boot{number:04X}", _load_option(label))
        self.variable("BootOrder", bytes((1, 0, 2, 0, 7, 0)))
        self.enter()
        return self

    def variable(self, name: str, value: bytes) -> None:
        (self.folder / f"{name}-{EFI_GLOBAL}").write_bytes(ATTRIBUTES + value)

    def open(self) -> BootControl:
        return NotedBoot(Efi(self.names, str(self.folder / "efibootmgr")), self.folder)

    def enter(self) -> None:
        files = {path.name.partition("-")[0]: path for path in self.folder.glob(f"Boot*-{EFI_GLOBAL}")}
        _, left = firmware.efi_number({name: path.read_bytes() for name, path in files.items()})
        for name in files.keys() - left.keys():
            files[name].unlink()
        self.variable("BootCurrent", left["BootCurrent"][4:])

    def reads(self, argv: list[str]) -> bool:
        return len(argv) == 1

    @property
    def of_others(self) -> frozenset[str]:
        return frozenset(f"{name}-{EFI_GLOBAL}" for name in ("BootNext", "BootOrder", "BootCurrent"))


def _load_option(label: str) -> bytes:
    """EFI_LOAD_OPTION: attributes, length of the path, label, a path that ends at once. Source: UEFI 2.10, 3.1.3."""
    path = bytes((0x7F, 0xFF, 4, 0))
    return (1).to_bytes(4, "little") + len(path).to_bytes(2, "little") + f"{label}\0".encode("utf-16-le") + path


class SystemdBootBench(Bench):
    """An ESP whose entries are the folder's files, and the emulated loader."""

    def factory(self) -> SystemdBootBench:
        shutil.copy(TOOLS / "systemd-bless-boot", self.folder)
        for number, slot in ((1, "b"), (2, "a")):
            (self.folder / f"surefoot-{number}-{slot}.conf").write_text(f"options surefoot.slot={slot}\n")
        self.enter()
        return self

    def open(self) -> BootControl:
        names = Names("a", "b")
        current = functools.partial(cmdline.current_slot, "surefoot.slot", names, self.folder / "cmdline")
        bless = (str(self.folder / "systemd-bless-boot"),)
        return NotedBoot(SystemdBoot(self.folder, names, 3, current, bless), self.folder)

    def enter(self) -> None:
        names = [path.name for path in self.folder.glob("surefoot-*")]
        chosen, called = firmware.systemd_boot(names)
        (self.folder / chosen).rename(self.folder / called)
        (self.folder / "booted").write_text(called if "+" in called else "")
        slot = re.split(r"[-+.]", chosen)[2]
        (self.folder / "cmdline").write_text(f"surefoot.slot={slot} panic=5\n")

    def reads(self, argv: list[str]) -> bool:
        return False


def tryboot(folder: Path) -> Bench:
    return TrybootBench(folder).factory()


def jetson(folder: Path) -> Bench:
    return JetsonBench(folder).factory()


def efi(folder: Path) -> Bench:
    return EfiBench(folder).factory()


def systemd_boot(folder: Path) -> Bench:
    return SystemdBootBench(folder).factory()


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "symlink": SymlinkBench,
    "surefoot": surefoot,
    "rauc": rauc,
    "mender": mender,
    "script": script,
    "grub": grub,
    "mender-grub": mender_grub,
    "tryboot": tryboot,
    "jetson": jetson,
    "efi": efi,
    "systemd-boot": systemd_boot,
}
