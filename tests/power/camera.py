"""One camera of the tests: its disk, the machine while it is on, and what is asserted of it after every bad moment.

Promises: `cut` takes the power in the middle of whatever goes on, with what the disk's cache makes of it; afterwards
the slot that the bootloader enters is one of the images that were released, byte for byte, or the test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.power import disk
from tests.power.machine import BOOT_LIMIT_S, Machine, board
from tests.power.medium import Cut, VolatileDisk
from tests.power.slots import Image

ENTERED = r"SUREFOOT: slot=.* -> (A|B)"
STARTED = r"started state=(\w+) next=(\w+)"
"""What the agent says first, of each component."""
LABELS = {"A": "slot_a", "B": "slot_b"}


class Camera:
    """`releases` is filled by whoever publishes: version → its image. No two cameras of a site have one number."""

    def __init__(self, folder: Path, firmware: Path, releases: Mapping[str, Image], number: int, seed: int) -> None:
        self.folder, self.releases = folder, releases
        self._firmware, self._seed = firmware, seed
        self.mac = f"52:54:00:00:00:{number:02x}"
        self._machine: Machine | None = None
        self._medium: VolatileDisk | None = None

    @property
    def device(self) -> str:
        """The id under which it enrols: its pattern is cam-{mac}."""
        return f"cam-{self.mac.replace(':', '-')}"

    @property
    def image(self) -> Path:
        return self.folder / "disk.img"

    @property
    def is_on(self) -> bool:
        return self._machine is not None

    @property
    def machine(self) -> Machine:
        assert self._machine is not None, "the camera is off"
        return self._machine

    def on(self) -> Machine:
        """Switch it on; each time the disk forgets by another seed, that follows from the camera's."""
        assert self._machine is None, "the camera is on"
        self._seed += 1
        self._medium = VolatileDisk(self.image, self.folder / f"disk.{self._seed}", self._seed)
        self._machine = Machine(board(self._firmware, self._medium.drive, self.mac), self.folder / "console.log")
        return self._machine

    def boots_to_agent(self) -> tuple[str, str, str]:
        """Wait for the next start; return the slot, the agent's state and what it does next."""
        entered = self.machine.expect(ENTERED)
        started = self.machine.expect(STARTED, 2 * BOOT_LIMIT_S)
        return entered[1], started[1], started[2]

    def cut(self) -> Cut:
        """Take the power."""
        assert self._machine is not None, "the camera is off"
        assert self._medium is not None, "a machine that is on has a disk"
        cut = self._medium.power_cut()
        self._machine.off()
        self._medium.close()
        self._machine = self._medium = None
        return cut

    def cut_and_look(self) -> Mapping[str, str | None]:
        """Take the power; return the version that each slot then holds, None where it is none of ours, whole."""
        cut = self.cut()
        held = {slot: self.holds(slot) for slot in LABELS}
        print(f"cut with seed {self._seed}: {cut.kept} of {cut.unflushed} unflushed sectors kept, slots {held}")
        return held

    def boot_state(self) -> Mapping[str, str]:
        """U-Boot's variables as the medium has them. The camera must be off."""
        return disk.boot_state(self.image)

    def close(self) -> None:
        if self._machine is not None:
            self.cut()

    def holds(self, slot: str) -> str | None:
        """The version whose very image is in a slot; None where it is none of them. The camera must be off."""
        for version, image in self.releases.items():
            if disk.digest_of(self.image, LABELS[slot], image.size_bytes) == image.sha256:
                return version
        return None
