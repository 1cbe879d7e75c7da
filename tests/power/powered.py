"""A machine on a disk that forgets what was not flushed: switched on, cut, and switched on again by another seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.power.machine import Machine
from tests.power.medium import Cut, VolatileDisk


class Powered:
    """`image` is the disk as it is while the machine is off; the seed rises with each start."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self._seed = folder, seed
        self._machine: Machine | None = None
        self._medium: VolatileDisk | None = None

    @property
    def image(self) -> Path:
        return self.folder / "disk.img"

    @property
    def is_on(self) -> bool:
        return self._machine is not None

    @property
    def machine(self) -> Machine:
        assert self._machine is not None, "the machine is off"
        return self._machine

    def start(self, command: Callable[[str], Sequence[str]]) -> Machine:
        """Switch it on; `command` starts the emulator, given where the disk is served."""
        assert self._machine is None, "the machine is on"
        self._seed += 1
        self._medium = VolatileDisk(self.image, self.folder / f"disk.{self._seed}", self._seed)
        self._machine = Machine(command(self._medium.drive), self.folder / "console.log")
        return self._machine

    def cut(self) -> Cut:
        """Take the power."""
        assert self._machine is not None, "the machine is off"
        assert self._medium is not None, "a machine that is on has a disk"
        cut = self._medium.power_cut()
        self._machine.off()
        self._medium.close()
        self._machine = self._medium = None
        return cut

    def close(self) -> None:
        if self._machine is not None:
            self.cut()
