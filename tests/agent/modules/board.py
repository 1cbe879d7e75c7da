"""A board with two roots that U-Boot switches by Mender's variables, for the modules that write and enter such roots.

Real: U-Boot's environment in its two copies, and libubootenv's tools, which the shims of `fw_printenv` and `fw_setenv`
lead to it. Played: what U-Boot decides at a start (`bootloader/flows.py`), the partitions, which are files, and `stat`
and `findfs`, which say of these files what they would say of partitions.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from surefoot_agent.modules.flow import Order
from surefoot_simulators.bootloader import flows
from surefoot_simulators.bootloader.environment import Medium
from tests.agent.modules.world import World, executable

PARTS = ("2", "3")
FACTORY = {
    "mender_boot_part": "2",
    "mender_boot_part_hex": "2",
    "upgrade_available": "0",
    "bootcount": "0",
    "bootlimit": "1",
    "mender_check_saveenv_canary": "1",
    "mender_saveenv_canary": "1",
}
FW = '#!/bin/sh\nexec /usr/bin/{} -c "$WORLD/fw_env.config" -f /dev/null "$@"\n'
STAT = """#!/bin/sh
for last; do :; done
case "$last" in
    /) part=$(cat "$WORLD/booted") ;;
    "$WORLD"/mmcblk0p*) part=${last##*p} ;;
    *) exec /usr/bin/stat "$@" ;;
esac
case "$3" in
    %02t%02T | %04D | %D) echo "b30$part" ;;
    "%t %T") echo "b3 $part" ;;
    *) echo "stat: $3 is not played" >&2; exit 1 ;;
esac
"""
FINDFS = """#!/bin/sh
for part in 2 3; do
    [ "$1" = "PARTUUID=5afe-0$part" ] && echo "$WORLD/mmcblk0p$part" && exit
done
exit 1
"""


class Board(World):
    """A device whose payloads are whole roots; `named`: mender.conf names them by PARTUUID, which findfs resolves."""

    def __init__(self, folder: Path, program: Path, order: Order = Order.V4, named: bool = True) -> None:
        super().__init__(folder, "rootfs-image", program, order)
        self.env = {"MENDER_CONF_DIR": str(folder), "MENDER_DATASTORE_DIR": str(folder)}
        for tool in ("fw_printenv", "fw_setenv"):
            executable(self.bin / tool, FW.format(tool))
        executable(self.bin / "stat", STAT)
        executable(self.bin / "findfs", FINDFS)
        roots = [f"PARTUUID=5afe-0{part}" if named else str(folder / f"mmcblk0p{part}") for part in PARTS]
        (folder / "mender.conf").write_text(json.dumps({"RootfsPartA": roots[0], "RootfsPartB": roots[1]}, indent=2))
        for part in PARTS:
            (folder / f"mmcblk0p{part}").write_text("factory")
        self.medium.format(FACTORY)
        self.medium.config(folder / "fw_env.config")
        for slot, text in (("A", "old"), ("B", "new")):
            self.payload(slot, f"release-{text}", {"root.ext4": text})
        self.start()

    @property
    def medium(self) -> Medium:
        return Medium(self.folder / "bootstate")

    @property
    def never_starts(self) -> Path:
        """While this is there, the root that says so panics, and the machine resets."""
        return self.folder / "panics"

    def root(self, part: str) -> str:
        return (self.folder / f"mmcblk0p{part}").read_text()

    def runs(self) -> str:
        """What the running root holds."""
        return self.root((self.folder / "booted").read_text())

    def variables(self) -> dict[str, str]:
        return self.medium.read() or {}

    def start(self) -> None:
        """Start the machine, again where the root that U-Boot enters panics."""
        for _ in range(4):
            start = flows.mender(self.medium.read(), PARTS)
            for _ in range(start.written):
                self.medium.write(start.variables)
            assert start.entered is not None
            (self.folder / "booted").write_text(start.entered)
            if not (self.never_starts.exists() and self.never_starts.read_text() == self.runs()):
                return
        raise AssertionError("no root starts any more")

    def restart(self) -> None:
        (self.folder / "power").touch()
        super().restart()

    def died(self) -> None:
        """A death with the machine, by a restart or a loss of power, is followed by a start."""
        power = self.folder / "power"
        if power.exists():
            os.unlink(power)
            self.start()
