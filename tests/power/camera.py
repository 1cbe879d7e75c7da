"""One camera of the tests: its disk, the machine while it is on, and what is asserted of it after every bad moment.

Promises: `cut` takes the power in the middle of whatever goes on, with what the disk's cache makes of it; afterwards
the slot that the bootloader enters is one of the images that were released, byte for byte, or the test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.power import disk
from tests.power.machine import BOOT_LIMIT_S, Machine, board
from tests.power.powered import Powered
from tests.power.slots import Image

ENTERED = r"SUREFOOT: slot=.* -> (A|B)"
STARTED = r"started state=(\w+) next=(\w+)"
"""What the agent says first, of each component."""
LABELS = {"A": "slot_a", "B": "slot_b"}


class Camera(Powered):
    """`releases` is filled by whoever publishes: version → its image. No two cameras of a site have one number."""

    def __init__(self, folder: Path, firmware: Path, releases: Mapping[str, Image], number: int, seed: int) -> None:
        super().__init__(folder, seed)
        self.releases, self._firmware = releases, firmware
        self.mac = f"52:54:00:00:00:{number:02x}"

    @property
    def device(self) -> str:
        """The id under which it enrols: its pattern is cam-{mac}."""
        return f"cam-{self.mac.replace(':', '-')}"

    def on(self) -> Machine:
        """Switch it on; each time the disk forgets by another seed, that follows from the camera's."""
        return self.start(lambda drive: board(self._firmware, drive, self.mac))

    def boots_to_agent(self) -> tuple[str, str, str]:
        """Wait for the next start; return the slot, the agent's state and what it does next."""
        entered = self.machine.expect(ENTERED)
        started = self.machine.expect(STARTED, 2 * BOOT_LIMIT_S)
        return entered[1], started[1], started[2]

    def cut_and_look(self) -> Mapping[str, str | None]:
        """Take the power; return the version that each slot then holds, None where it is none of ours, whole."""
        cut = self.cut()
        held = {slot: self.holds(slot) for slot in LABELS}
        print(f"cut with seed {self._seed}: {cut.kept} of {cut.unflushed} unflushed sectors kept, slots {held}")
        return held

    def boot_state(self) -> Mapping[str, str]:
        """U-Boot's variables as the medium has them. The camera must be off."""
        return disk.boot_state(self.image)

    def holds(self, slot: str) -> str | None:
        """The version whose very image is in a slot; None where it is none of them. The camera must be off."""
        for version, image in self.releases.items():
            if disk.digest_of(self.image, LABELS[slot], image.size_bytes) == image.sha256:
                return version
        return None
