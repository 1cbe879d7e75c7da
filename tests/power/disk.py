"""The machine's disk as a file: boot script, U-Boot's redundant environment, two slots and a data partition.

Promises: made without root and without mounting anything; a slot of the disk is read and written from outside only
while the machine is off. The layout is the one place that knows where a partition lies.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

MIB = 1024 * 1024
SLOT_MIB = 84
PLAIN = "^has_journal,^metadata_csum,^64bit,^resize_inode"
"""What a slot that is never written while it runs does not need, and U-Boot's reader does not know in part."""
BOOT_SCRIPT = ROOT / "packaging/uboot/boot.cmd"
FIRMWARE = """bootdelay=0
bootcmd=pci enum; nvme scan; load nvme 0:1 ${scriptaddr} boot.scr && source ${scriptaddr}; reset
stdin=pl011@9000000
stdout=pl011@9000000
stderr=pl011@9000000
fdt_high=0xffffffff
initrd_high=0xffffffff
kernel_addr_r=0x40400000
scriptaddr=0x40200000
sf_args=rootwait ro panic=1 quiet init=/sbin/init
extra_args=console=ttyAMA0 rootfstype=ext4
"""
"""U-Boot's own environment: straight to the disk, instead of two seconds of waiting and a search of every bus."""


@dataclass(frozen=True)
class Partition:
    name: str
    start_mib: int
    size_mib: int


def _laid_out() -> Mapping[str, Partition]:
    found, at = {}, 1
    for name, size in (("boot", 4), ("bootstate", 1), ("slot_a", SLOT_MIB), ("slot_b", SLOT_MIB), ("data", 48)):
        found[name] = Partition(name, at, size)
        at += size
    return found


PARTITIONS = _laid_out()
DISK_MIB = max(p.start_mib + p.size_mib for p in PARTITIONS.values()) + 1
"""One more for the second copy of the partition table."""


def make_firmware(path: Path) -> Path:
    """Write the flash that U-Boot reads its environment from."""
    text = path.with_suffix(".txt")
    text.write_text(FIRMWARE)
    _run("mkenvimage", "-s", "0x40000", "-o", str(path), str(text))
    os.truncate(path, 64 * MIB)
    return path


def make_disk(path: Path, slot_a: Path, bootstate: Path, data: Path, boot_script: Path = BOOT_SCRIPT) -> Path:
    """Write a disk with the first release in slot A, nothing in B, and the folder `data` on the data partition."""
    table = [
        "label: gpt",
        *(f"start={p.start_mib}MiB, size={p.size_mib}MiB, name={p.name}" for p in PARTITIONS.values()),
    ]
    with path.open("wb") as file:
        file.truncate(DISK_MIB * MIB)
    _run("sfdisk", "--quiet", str(path), given="\n".join(table) + "\n")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "boot").mkdir()
        script = str(folder / "boot/boot.scr")
        _run("mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-n", "boot", "-d", str(boot_script), script)
        put(path, "boot", make_filesystem(folder / "boot.img", folder / "boot", PARTITIONS["boot"].size_mib, PLAIN))
        put(path, "data", make_filesystem(folder / "data.img", data, PARTITIONS["data"].size_mib))
    put(path, "slot_a", slot_a)
    put(path, "bootstate", bootstate)
    return path


def make_filesystem(path: Path, tree: Path, size_mib: int, features: str = "") -> Path:
    """Write an ext4 image that holds `tree`, owned by root."""
    chosen = ["-O", features] if features else []
    path.unlink(missing_ok=True)
    owner = ["-q", "-F", "-m", "0", "-E", "root_owner=0:0", "-U", "clear", *chosen]
    _run("mkfs.ext4", *owner, "-d", str(tree), str(path), f"{size_mib}M")
    return path


def edit_image(image: Path, copy: Path, orders: str) -> Path:
    """Copy a slot's image and change files inside it with debugfs."""
    _run("cp", "--sparse=always", "--reflink=auto", str(image), str(copy))
    _run("debugfs", "-w", "-f", "-", str(copy), given=orders)
    return copy


def put(disk: Path, partition: str, content: Path) -> None:
    """Copy a file over a partition, from its beginning."""
    place = PARTITIONS[partition]
    assert content.stat().st_size <= place.size_mib * MIB
    where = [f"of={disk}", "bs=1M", f"seek={place.start_mib}", "conv=notrunc,sparse", "status=none"]
    _run("dd", f"if={content}", *where)


def wipe(disk: Path, partition: str) -> None:
    """Destroy what a slot holds, as far as anybody could start it."""
    with disk.open("r+b") as file:
        file.seek(PARTITIONS[partition].start_mib * MIB)
        file.write(bytes(MIB))


def digest_of(disk: Path, partition: str, size_bytes: int) -> str:
    """Return the sha256 of the first bytes of a partition."""
    place = PARTITIONS[partition]
    with disk.open("rb") as file:
        file.seek(place.start_mib * MIB)
        return hashlib.sha256(file.read(size_bytes)).hexdigest()


def new_boot_state(file: Path, variables: str = "surefoot_canary=1\nsurefoot_slot=A\n") -> Path:
    """Write both copies into `file`, as the boot script's first start would; return libubootenv's settings for it."""
    folder = file.parent
    with file.open("wb") as state:
        state.truncate(PARTITIONS["bootstate"].size_mib * MIB)
    default, script, settings = folder / "bootstate.default", folder / "bootstate.script", folder / "fw_env.config"
    default.write_text(variables.partition("\n")[0] + "\n")
    script.write_text(variables)
    settings.write_text(f"{file} 0x0 0x1000\n{file} 0x1000 0x1000\n")
    for _ in range(2):
        _run("fw_setenv", "-c", str(settings), "-f", str(default), "-s", str(script))
    return settings


def boot_state(disk: Path) -> Mapping[str, str]:
    """Return U-Boot's variables as libubootenv reads them from the disk."""
    start = PARTITIONS["bootstate"].start_mib * MIB
    with tempfile.TemporaryDirectory() as made:
        settings = Path(made) / "fw_env.config"
        settings.write_text(f"{disk} {start:#x} 0x1000\n{disk} {start + 0x1000:#x} 0x1000\n")
        said = _run("fw_printenv", "-c", str(settings))
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _run(*command: str, given: str | None = None) -> str:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run(
        command, input=given, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
    return done.stdout
