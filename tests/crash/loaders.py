"""Bootloaders played on the medium, and the tools by which a running system changes what they will do.

Promises: what the agent and the guard have these tools write goes to the medium under their feet, so it can be torn and
forgotten like any other write; a start decides as the real scripts do (`surefoot_simulators.bootloader.flows`). The
tools themselves stand for libubootenv's, which sync nothing, and for a board's script that does its work properly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from surefoot_agent import guard
from surefoot_agent.boot.environment import Environment
from surefoot_agent.boot.script import ScriptBoot
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.boot.variables import Mender, Names, Rauc, Surefoot, Variables
from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotName
from surefoot_simulators.bootloader import environment, flows


class Loader(Protocol):
    """`folder` of a device is on the medium; `proc` is what its running kernel shows, and never on a disk."""

    def factory(self) -> None:
        """Make what a new device has, which has started once."""

    def control(self, component_dir: Path) -> BootControl: ...

    def start(self, kernels: Collection[SlotName]) -> SlotName | None:
        """Start the machine once; None where it resets. `kernels` are the slots that have one."""

    def tool(self, argv: Sequence[str], given: str = "", timeout_s: float = 0.0) -> str:
        """In the place of `boot.tool.run`."""


@dataclass(frozen=True)
class UBootLoader:
    """Two copies in one file, as on an eMMC without partitions for them."""

    folder: Path
    proc: Path
    variables: Variables
    names: Names
    flow: flows.Flow
    argument: str

    @property
    def medium(self) -> environment.Medium:
        return environment.Medium(self.folder / "bootstate")

    def factory(self) -> None:
        self.medium.path.write_bytes(bytes(2 * environment.COPY_BYTES))
        self.medium.config(self.folder / "fw_env.config")
        assert self.start(tuple(SlotName)) is SlotName.A

    def control(self, component_dir: Path) -> BootControl:
        key = self.argument.partition("=")[0]
        store = Environment(self.folder / "fw_env.config")
        return UBoot(component_dir, store, self.variables, self.names, key, self.proc / "cmdline")

    def start(self, kernels: Collection[SlotName]) -> SlotName | None:
        start = self.flow(self.medium.read(), [self.names.of(slot) for slot in kernels])
        for _ in range(start.written):
            self.medium.write(start.variables)
        if start.entered is None:
            return None
        (self.proc / "cmdline").write_text(f"console=ttyS0 {self.argument.format(start.entered)} quiet\n")
        return self.names.slot(start.entered)

    def tool(self, argv: Sequence[str], given: str = "", timeout_s: float = 0.0) -> str:
        found = self.medium.read() or {}
        if Path(argv[0]).name == "fw_printenv":
            return "".join(f"{name}={value}\n" for name, value in found.items())
        lines = given.splitlines() if "-s" in argv else ["=".join(argv[-2:])]
        wanted = dict(line.split("=", 1) for line in lines)
        self._write({name: value for name, value in {**found, **wanted}.items() if value})
        return ""

    def _write(self, variables: dict[str, str]) -> None:
        """Over the older copy, and not synced: whoever wants it durable must see to it."""
        raw = self.medium.path.read_bytes()
        size = self.medium.copy_bytes
        copies = [environment.decode(raw[:size]), environment.decode(raw[size:])]
        newest = self.medium.read()
        newer = 0 if copies[0] is not None and copies[0][1] == newest and copies[1] != copies[0] else 1
        if copies[0] is not None and copies[1] is not None:
            ahead = (copies[1][0] - copies[0][0]) & 0xFF
            newer = 1 if 0 < ahead < 0x80 else 0
        kept = copies[newer]
        with self.medium.path.open("r+b") as file:
            file.seek((1 - newer) * size)
            file.write(environment.encode(((kept[0] if kept else 0) + 1) & 0xFF, variables, size))


@dataclass(frozen=True)
class ScriptLoader:
    """A board that keeps RAUC's order and counts in files, as `tests/agent/boot/board.sh` does, and syncs them."""

    folder: Path
    proc: Path
    names: Names = Names("one", "two")  # noqa: RUF009 - frozen

    def factory(self) -> None:
        self._board.mkdir()
        for name, text in (("order", "one two"), ("left_one", "3"), ("left_two", "3")):
            (self._board / name).write_text(text)
        assert self.start(tuple(SlotName)) is SlotName.A

    def control(self, component_dir: Path) -> BootControl:
        return ScriptBoot(self.folder / "board.sh", self.names, component_dir)

    def start(self, kernels: Collection[SlotName]) -> SlotName | None:
        env = {f"BOOT_{name}_LEFT": str(self._left(name)) for name in (self.names.a, self.names.b)}
        start = flows.rauc(
            {"BOOT_ORDER": " ".join(self._order()), **env},
            [self.names.of(slot) for slot in kernels],
            (self.names.a, self.names.b),
        )
        for name in (self.names.a, self.names.b):
            (self._board / f"left_{name}").write_text(start.variables[f"BOOT_{name}_LEFT"])
        if start.entered is None:
            return None
        (self.proc / "booted").write_text(start.entered)
        (self.proc / "cmdline").write_text("console=ttyS0 quiet\n")
        return self.names.slot(start.entered)

    def tool(self, argv: Sequence[str], given: str = "", timeout_s: float = 0.0) -> str:
        _, verb, *words = argv
        match verb, words:
            case "get-primary", []:
                return next((name for name in self._order() if self._left(name)), self._order()[0])
            case "get-current", []:
                return (self.proc / "booted").read_text()
            case "get-state", [name]:
                return "good" if name in self._order() and self._left(name) else "bad"
            case "set-primary", [name]:
                self._keep(f"left_{name}", "3")
                if self._other(name) not in self._order():
                    self._keep(f"left_{self._other(name)}", "3")
                self._keep("order", f"{name} {self._other(name)}")
            case "set-state", [name, "good"]:
                self._keep(f"left_{name}", "3")
                if name not in self._order():
                    self._keep("order", " ".join([*self._order(), name]))
            case "set-state", [name, "bad"]:
                if self._other(name) in self._order():
                    self._keep("order", self._other(name))
                self._keep(f"left_{name}", "0")
            case _:
                raise AssertionError(f"unknown verb {verb}")
        return ""

    @property
    def _board(self) -> Path:
        return self.folder / "board"

    def _order(self) -> list[str]:
        return (self._board / "order").read_text().split()

    def _left(self, name: str) -> int:
        return int((self._board / f"left_{name}").read_text())

    def _other(self, name: str) -> str:
        return self.names.b if name == self.names.a else self.names.a

    def _keep(self, name: str, text: str) -> None:
        guard.write_file(self._board / name, text.encode())


def surefoot(folder: Path, proc: Path) -> Loader:
    return UBootLoader(folder, proc, Surefoot(), Names("A", "B"), flows.surefoot, "surefoot.slot={}")


def rauc(folder: Path, proc: Path) -> Loader:
    names = Names("system0", "system1")
    flow = functools.partial(flows.rauc, names=("system0", "system1"))
    return UBootLoader(folder, proc, Rauc(names), names, flow, "rauc.slot={}")


def mender(folder: Path, proc: Path) -> Loader:
    names = Names("2", "3")
    return UBootLoader(folder, proc, Mender(names), names, flows.mender, "root=/dev/mmcblk0p{}")


LOADERS: dict[str, Callable[[Path, Path], Loader]] = {
    "surefoot": surefoot,
    "rauc": rauc,
    "mender": mender,
    "script": ScriptLoader,
}
