"""Debian's systemd-bless-boot on a folder: in a root of its own that holds the program, its libraries and one variable.

Promises: the package is fetched and unpacked, never installed; this machine's own boot entries and EFI variables cannot
be met. The variable is LoaderBootCountPath, by which the loader says which entry it counted.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.power.packages import cache_folder

VARIABLE = "sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
PACKAGES = ("systemd-boot", "systemd")
"""The second one holds the library of the first."""


@dataclass(frozen=True)
class Jail:
    root: Path

    @property
    def entries(self) -> Path:
        return self.root / "boot/loader/entries"

    def bless(self, verb: str, booted: str) -> int:
        """Run the program where `booted` is the entry that the loader counted, empty for none; return how it ended."""
        variable = self.root / VARIABLE
        variable.unlink(missing_ok=True)
        if booted:
            path = f"\\loader\\entries\\{booted}\0"
            variable.write_bytes(struct.pack("<I", 6) + path.encode("utf-16-le"))
        command = ["chroot", str(self.root), "/bless", "--path=/boot", verb]
        return subprocess.run(command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, check=False).returncode


def jail(root: Path) -> Jail:
    tree = _unpacked()
    program = next(tree.glob("**/systemd-bless-boot"))
    libraries = {str(file.parent) for file in tree.glob("**/libsystemd-shared-*.so")}
    for folder in ("boot/loader/entries", str(Path(VARIABLE).parent), "proc"):
        (root / folder).mkdir(parents=True)
    shutil.copy(program, root / "bless")
    own = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": ":".join(sorted(libraries))}
    linked = subprocess.run(["ldd", str(program)], env=own, capture_output=True, text=True, check=True).stdout
    for line in linked.splitlines():
        found = re.search(r"(\S+ => )?(/\S+)", line)
        if found:
            place = Path(found[2])
            kept = root / ("usr/lib" if str(place).startswith(str(tree)) else str(place.parent).lstrip("/"))
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(place, kept)
    return Jail(root)


def _unpacked() -> Path:
    """The contents of the packages, fetched once by this machine's own apt."""
    tree = cache_folder() / "systemd-boot.own"
    if not tree.exists():
        making = cache_folder() / f"systemd-boot.{os.getpid()}"
        making.mkdir(parents=True)
        for name in PACKAGES:
            subprocess.run(["apt-get", "-qq", "download", name], cwd=making, check=True, capture_output=True)
        for deb in making.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), str(making / "tree")], check=True)
        (making / "tree").rename(tree)
        shutil.rmtree(making)
    return tree
