"""UEFI's own variables: a Linux in the machine changes them by our boot control, and the firmware obeys or not.

Promises: Debian's firmware, its kernel with efivarfs, its efibootmgr and the agent of this checkout; the slots are
payloads that say who they are. Linux is started by systemd-boot from the path that firmware without entries takes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.power import disk, packages, slots
from tests.power.loader import FIRMWARE, SYSTEMD_BOOT, fetched, payload, run

MIB = 1024 * 1024
ESP_MIB = 64
TOOLS = ("efibootmgr", "libefivar1", "libefiboot1", "libpopt0")
LIBRARY = "usr/lib/aarch64-linux-gnu"
GUEST = Path(__file__).parent / "guest"
LOADER = {
    "loader/loader.conf": "timeout 0\n",
    "loader/entries/linux.conf": "title Linux\nlinux /Image\noptions root=PARTLABEL=root ro rootwait panic=1 quiet "
    "console=ttyAMA0 init=/usr/sbin/uefi\n",
}


class UefiLinux:
    """One machine whose firmware keeps its variables from start to start."""

    def __init__(self, folder: Path, orders: str) -> None:
        self._disk, self._variables = folder / "disk.img", folder / "variables.fd"
        with self._variables.open("wb") as file:
            file.truncate(FIRMWARE.stat().st_size)
        root, esp = self._root(folder, orders), self._esp(folder)
        size_mib = 2 + ESP_MIB + disk.SLOT_MIB
        with self._disk.open("wb") as file:
            file.truncate(size_mib * MIB)
        table = f"label: gpt\nstart=1MiB, size={ESP_MIB}MiB, type=U\nstart={1 + ESP_MIB}MiB, name=root\n"
        subprocess.run(["/usr/sbin/sfdisk", "-q", str(self._disk)], input=table.encode(), check=True)
        for image, at in ((esp, 1), (root, 1 + ESP_MIB)):
            words = [f"of={self._disk}", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none"]
            run("dd", f"if={image}", *words)

    def start(self) -> str:
        """Start once, until the machine turns itself off; return what it said on its serial line."""
        console = run(*self._command(), limit_s=600.0)
        return re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]|\r", "", console)

    def _root(self, folder: Path, orders: str) -> Path:
        """The slot's userland with the agent, and what talks to the firmware."""
        script = folder / "orders.py"
        script.write_text(orders)
        told = f"write {GUEST / 'uefi.sh'} /usr/sbin/uefi\nsif /usr/sbin/uefi mode 0100755\nwrite {script} /orders.py\n"
        told += f"write {_module()} /efivarfs.ko\n"
        for package in TOOLS:
            tree = fetched(package)
            for file in [*tree.glob("bin/*"), *tree.glob("usr/bin/efibootmgr")]:
                told += f"write {file} /usr/bin/{file.name}\nsif /usr/bin/{file.name} mode 0100755\n"
            for file in sorted({*tree.glob(f"{LIBRARY}/*.so.*"), *tree.glob("lib/aarch64-linux-gnu/*.so.*")}):
                if not file.is_symlink():
                    soname = re.sub(r"(\.so\.\d+).*", r"\1", file.name)
                    told += f"write {file} /{LIBRARY}/{soname}\n"
        return disk.edit_image(slots.base_image(), folder / "root.img", told)

    def _esp(self, folder: Path) -> Path:
        image, loader = folder / "esp.img", fetched(SYSTEMD_BOOT) / "usr/lib/systemd/boot/efi/systemd-bootaa64.efi"
        with image.open("wb") as file:
            file.truncate(ESP_MIB * MIB)
        run("mkfs.vfat", "-F", "32", str(image))
        run("mmd", "-i", str(image), *(f"::/{name}" for name in ("EFI", "EFI/BOOT", "loader", "loader/entries")))
        files = {"EFI/BOOT/BOOTAA64.EFI": loader, "Image": packages.base_tree() / "root/boot/Image"}
        for letter in "ab":
            files[f"{letter}.efi"] = folder / f"{letter}.efi"
            files[f"{letter}.efi"].write_bytes(payload(letter.upper()))
        for number, (place, text) in enumerate(LOADER.items()):
            files[place] = folder / f"loader.{number}"
            files[place].write_text(text)
        for place, source in files.items():
            run("mcopy", "-i", str(image), str(source), f"::/{place}")
        return image

    def _command(self) -> list[str]:
        return [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "512", "-accel", "tcg"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={self._variables}"),
            *("-drive", f"if=none,id=disk,format=raw,file={self._disk}", "-device", "nvme,drive=disk,serial=surefoot"),
        ]


def _module() -> Path:
    """The kernel's efivarfs, of the kernel that the slots have."""
    file = packages.cache_folder() / f"efivarfs-{packages.base_tree().name}.ko"
    with packages.alone(file.name):
        if not file.exists():
            said = re.search(rb"Linux version (\S+)", (packages.base_tree() / "root/boot/Image").read_bytes())
            assert said is not None, "the kernel does not say which it is"
            tree = fetched(f"linux-image-{said[1].decode()}")
            shutil.copy(next(tree.glob("lib/modules/*/kernel/fs/efivarfs/efivarfs.ko")), file)
    return file
