"""Debian's GRUB as a program (`grub-emu`), with packaging/grub/surefoot.cfg and the two copies on a disk of their own.

Promises: GRUB reads and writes the very bytes of both files, through its own file system, disk and `save_env`; what it
decided is read from what it says and from what it left. A slot's kernel is a file that is there or not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

SNIPPET = Path(__file__).parents[3] / "packaging/grub/surefoot.cfg"
LIMIT_S = 60.0
"""A start takes some 50 ms; a machine busy with other tests a second."""
CONFIG = """\
set surefoot_copy0=(hd0)/copy0
set surefoot_copy1=(hd0)/copy1
function surefoot_load {{ if [ -f "(host){folder}/kernel.$1" ]; then true; else false; fi; }}
source "(host){snippet}"
if [ -n "$surefoot_now" ]; then echo "STARTED $surefoot_now"; fi
exit
"""


@dataclass(frozen=True)
class Started:
    entered: str | None
    console: str


class Machine:
    """`copies` are the two files as Linux knows them; they are put on GRUB's disk and fetched from it."""

    def __init__(self, folder: Path, copies: tuple[Path, Path]) -> None:
        self._folder, self._copies = folder, copies
        (folder / "grub").mkdir(parents=True)
        (folder / "grub/grub.cfg").write_text(CONFIG.format(folder=folder, snippet=SNIPPET))
        (folder / "device.map").write_text(f"(hd0) {folder}/disk.img\n")
        _run("mkfs.ext2", "-q", "-F", str(folder / "blank.img"), "256k")

    def start(self, kernels: Collection[str] = ("A", "B")) -> Started:
        self._put(kernels)
        command = ["grub-emu", "-m", str(self._folder / "device.map"), "-d", str(self._folder / "grub"), "-r", "host"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False)
        console = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", done.stdout.decode(errors="replace"))
        self._fetch()
        entered = re.findall(r"^.*STARTED (.)", console, re.MULTILINE)
        return Started(entered[-1] if entered else None, console)

    def _put(self, kernels: Collection[str]) -> None:
        for slot in "AB":
            (self._folder / f"kernel.{slot}").unlink(missing_ok=True)
        for slot in kernels:
            (self._folder / f"kernel.{slot}").touch()
        shutil.copy(self._folder / "blank.img", self._folder / "disk.img")
        script = "".join(f"write {copy} copy{n}\n" for n, copy in enumerate(self._copies) if copy.exists())
        _run("debugfs", "-w", "-f", "-", str(self._folder / "disk.img"), given=script)

    def _fetch(self) -> None:
        for n, copy in enumerate(self._copies):
            if copy.exists():
                left = self._folder / f"left{n}"
                left.write_bytes(b"")
                _run("debugfs", "-R", f"dump copy{n} {left}", str(self._folder / "disk.img"))
                copy.write_bytes(left.read_bytes())


def _run(name: str, *arguments: str, given: str = "") -> None:
    program = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") or name
    subprocess.run([program, *arguments], input=given.encode(), check=True, capture_output=True)
