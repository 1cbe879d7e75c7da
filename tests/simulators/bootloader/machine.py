"""A machine that consists of its bootloader: Debian's U-Boot in QEMU, the boot script, and five-instruction kernels.

Promises: a start is a run of QEMU, which ends by itself: the kernel turns the machine off, and a reset ends the run.
What was decided is read from the medium, byte for byte as the machine left it.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_simulators.bootloader.environment import COPY_BYTES, Medium, encode
from tests.simulators.bootloader.cases import UBOOT

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
MIB = 1024 * 1024
PARTS = {"boot": 1, "bootstate": 3, "slot_a": 4, "slot_b": 6}
"""Where each partition begins, in MiB."""
START_S = 90.0
"""A start takes about a second; on a machine that is busy with other tests, ten."""


def kernel() -> bytes:
    """Return an arm64 Image that turns the machine off: PSCI's SYSTEM_OFF, by a call to the hypervisor."""
    code = struct.pack("<IIII", 0xD2800100, 0xF2B08000, 0xD4000002, 0x14000000)  # x0 = 0x84000008; hvc; stay
    head = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, 0, 4096, 0, 0, 0, 0, b"ARM\x64", 0)
    return (head + code).ljust(4096, b"\0")


def build(folder: Path) -> None:
    """Make the partitions of a disk without slots, and the firmware's own environment."""
    (folder / "bootfs").mkdir()
    script = folder / "bootfs/boot.scr"
    _run("mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-d", str(UBOOT / "boot.cmd"), str(script))
    _filesystem(folder / "boot.img", folder / "bootfs", 2)
    for content, image in ((kernel(), "kernel.img"), (b"junk" * 1024, "junk.img")):
        root = folder / f"{image}.root"
        (root / "boot").mkdir(parents=True)
        (root / "boot/Image").write_bytes(content)
        _filesystem(folder / image, root, 2)
    (folder / "firmware.txt").write_text(
        "bootdelay=0\n"
        "bootcmd=pci enum; nvme scan; load nvme 0:1 ${scriptaddr} boot.scr && source ${scriptaddr}; reset\n"
        "stdin=pl011@9000000\nstdout=pl011@9000000\nstderr=pl011@9000000\n"
        "kernel_addr_r=0x40400000\nscriptaddr=0x40200000\n"
    )
    _run("mkenvimage", "-s", "0x40000", "-o", str(folder / "firmware.env"), str(folder / "firmware.txt"))
    with (folder / "firmware.env").open("r+b") as firmware:
        firmware.truncate(64 * MIB)


@dataclass(frozen=True)
class Started:
    entered: str | None
    variables: Mapping[str, str] | None
    console: str


def start(
    parts: Path, folder: Path, found: Mapping[str, str] | None, kernels: Collection[str], junk: Collection[str] = ()
) -> Started:
    """Start the machine once on a new disk; `junk` slots have a kernel that can be loaded and is none."""
    copies = b"" if found is None else encode(1, found) + encode(2, found)
    return start_on(parts, folder, copies, kernels, junk)


def start_on(parts: Path, folder: Path, copies: bytes, kernels: Collection[str], junk: Collection[str] = ()) -> Started:
    """Start the machine once with these bytes for its boot state, and leave what it wrote in `folder`/bootstate."""
    disk, state = folder / "disk.img", folder / "bootstate"
    _disk(disk, parts, kernels, junk)
    state.write_bytes(copies)
    _put(disk, state, PARTS["bootstate"])
    console = _qemu(disk, parts / "firmware.env")
    with disk.open("rb") as image:
        image.seek(PARTS["bootstate"] * MIB)
        state.write_bytes(image.read(2 * COPY_BYTES))
    entered = re.findall(r"SUREFOOT: slot (.) starts", console)
    reset = "resetting ..." in console
    return Started(None if reset else entered[-1], Medium(state).read(), console)


def _disk(disk: Path, parts: Path, kernels: Collection[str], junk: Collection[str]) -> None:
    disk.write_bytes(b"")
    with disk.open("r+b") as image:
        image.truncate(9 * MIB)
    rows = "".join(
        f"start={at}MiB, size={2 if name != 'bootstate' else 1}MiB, name={name}\n" for name, at in PARTS.items()
    )
    subprocess.run(["/usr/sbin/sfdisk", "-q", str(disk)], input=f"label: gpt\n{rows}".encode(), check=True)
    _put(disk, parts / "boot.img", PARTS["boot"])
    for slot in ("A", "B"):
        if slot in (*kernels, *junk):
            _put(disk, parts / ("junk.img" if slot in junk else "kernel.img"), PARTS[f"slot_{slot.lower()}"])


def _put(disk: Path, content: Path, at_mib: int) -> None:
    with disk.open("r+b") as image:
        image.seek(at_mib * MIB)
        image.write(content.read_bytes())


def _filesystem(image: Path, root: Path, size_mib: int) -> None:
    features = "^has_journal,^metadata_csum,^64bit,^resize_inode"
    _run("/usr/sbin/mkfs.ext4", "-q", "-F", "-m0", "-O", features, "-d", str(root), str(image), f"{size_mib}M")


def _qemu(disk: Path, firmware: Path) -> str:
    command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "256", "-accel", "tcg"]
    command += [
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-no-reboot",
        "-bios",
        FIRMWARE,
    ]
    command += ["-drive", f"if=pflash,unit=1,format=raw,readonly=on,file={firmware}"]
    command += ["-drive", f"if=none,id=d0,format=raw,file={disk}", "-device", "nvme,drive=d0,serial=surefoot0"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S, check=True)
    return done.stdout.decode(errors="replace")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
