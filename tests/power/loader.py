"""Debian's systemd-boot and GRUB on Debian's UEFI firmware in an emulated machine, with payloads that say who they are.

Promises: the loaders are Debian's own for arm64, fetched as the packages of a slot are; they write to a FAT file system
that nothing of ours touches meanwhile. A payload is a whole EFI program of seven instructions; it ends the machine.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT
from tests.power import packages

FIRMWARE = Path("/usr/share/AAVMF/AAVMF_CODE.fd")
START_S = 240.0
"""A start takes six seconds alone, and many times that on a machine that is busy with everything else."""
ENTRIES = "loader/entries"
SYSTEMD_BOOT, GRUB = "systemd-boot-efi", "grub-efi-arm64-bin"
MODULES = ("part_gpt", "fat", "normal", "configfile", "loadenv", "test", "echo", "chain", "reboot")
GRUB_CONFIG = """\
set surefoot_copy0=($root)/surefoot0
set surefoot_copy1=($root)/surefoot1
function surefoot_load { chainloader ($root)/$1.efi; }
source ($root)/grub/surefoot.cfg
boot
"""


@dataclass(frozen=True)
class Started:
    slot: str
    entries: frozenset[str]
    """What systemd-boot's entries are called afterwards."""


def payload(letter: str) -> bytes:
    """Return an arm64 EFI program that writes a letter to the serial line and turns the machine off, by PSCI."""
    letter_to_uart = (0x52800000 | ord(letter) << 5, 0xD2A00000 | 0x0900 << 5 | 1, 0xB9000020)
    system_off = (0xD2800100, 0xF2B08000, 0xD4000002, 0x14000000)
    code = struct.pack("<7I", *letter_to_uart, *system_off)
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0xAA64, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QII6HIIIIHH4QII", 0, 0x1000, 0x200, *(0,) * 6, 0, 0x2000, 0x200, 0, 10, 0, *(0,) * 5, 16)
    section = struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return (dos + coff + optional + bytes(128) + section).ljust(512, b"\0") + code.ljust(512, b"\0")


class UefiMachine:
    """A machine with one FAT disk that holds `loader`, a payload for each slot, and `files` by their place."""

    def __init__(self, folder: Path, loader: Path, files: Mapping[str, str]) -> None:
        self._blank, self._disk, self._folder = folder / "blank.img", folder / "disk.img", folder
        with self._blank.open("wb") as file:
            file.truncate(40 * 1024 * 1024)
        run("mkfs.vfat", "-F", "32", str(self._blank))
        run("mmd", "-i", str(self._blank), *(f"::/{name}" for name in ("EFI", "EFI/BOOT", "loader", ENTRIES, "grub")))
        _copy(self._blank, loader, "EFI/BOOT/BOOTAA64.EFI")
        for place, text in files.items():
            (folder / "file").write_text(text)
            _copy(self._blank, folder / "file", place)
        for slot in "ab":
            (folder / "payload").write_bytes(payload(slot.upper()))
            _copy(self._blank, folder / "payload", f"{slot}.efi")

    def start(self, files: Mapping[str, bytes]) -> tuple[str, str]:
        """Start once with these files; return the slot whose payload ran, and what the entries are called then."""
        shutil.copy(self._blank, self._disk)
        for place, content in files.items():
            (self._folder / "file").write_bytes(content)
            _copy(self._disk, self._folder / "file", place)
        console = run(*self._command(), limit_s=START_S)
        said = re.sub(r"\x1b\[[0-9;=]*[A-Za-z]", "", console).rstrip()[-1:]
        assert said in ("A", "B"), console[-500:]
        return said, run("mdir", "-b", "-i", str(self._disk), f"::/{ENTRIES}") if ENTRIES in "".join(files) else ""

    def read(self, place: str) -> bytes:
        """Return a file as the machine left it."""
        left = self._folder / "left"
        left.unlink(missing_ok=True)
        run("mcopy", "-i", str(self._disk), f"::/{place}", str(left))
        return left.read_bytes()

    def _command(self) -> list[str]:
        variables = self._folder / "variables.fd"
        with variables.open("wb") as file:
            file.truncate(FIRMWARE.stat().st_size)
        return [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-accel", "tcg"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={variables}"),
            *("-drive", f"if=none,id=disk,format=raw,file={self._disk}", "-device", "virtio-blk-pci,drive=disk"),
        ]


class SystemdBootMachine:
    """`start` gives the loader these entries, named as the boot control names them: surefoot-NUMBER-SLOT."""

    def __init__(self, folder: Path) -> None:
        loader = fetched(SYSTEMD_BOOT) / "usr/lib/systemd/boot/efi/systemd-bootaa64.efi"
        self._machine = UefiMachine(folder, loader, {"loader/loader.conf": "timeout 0\ndefault surefoot-*\n"})

    def start(self, entries: Collection[str]) -> Started:
        slots = {name: re.split(r"[-+.]", name)[2] for name in entries}
        files = {f"{ENTRIES}/{name}": f"title {slot}\nefi /{slot}.efi\n".encode() for name, slot in slots.items()}
        slot, listed = self._machine.start(files)
        return Started(slot, frozenset(line.rpartition("/")[2] for line in listed.split()))


class GrubMachine:
    """GRUB with packaging/grub/surefoot.cfg; both copies of its environment are read from Linux' files and put back."""

    def __init__(self, folder: Path, copies: tuple[Path, Path]) -> None:
        self._copies, image = copies, folder / "grub.efi"
        modules = fetched(GRUB) / "usr/lib/grub/arm64-efi"
        run("grub-mkimage", "-O", "arm64-efi", "-d", str(modules), "-p", "/grub", "-o", str(image), *MODULES)
        script = (ROOT / "packaging/grub/surefoot.cfg").read_text()
        self._machine = UefiMachine(folder, image, {"grub/grub.cfg": GRUB_CONFIG, "grub/surefoot.cfg": script})

    def start(self) -> str:
        names = ("surefoot0", "surefoot1")
        slot, _ = self._machine.start({name: copy.read_bytes() for name, copy in zip(names, self._copies, strict=True)})
        for name, copy in zip(names, self._copies, strict=True):
            copy.write_bytes(self._machine.read(name))
        return slot


def fetched(package: str) -> Path:
    """Return the folder with what is in a Debian package for arm64, fetched once."""
    tree = packages.cache_folder() / f"{package}.arm64"
    with packages.alone(tree.name):
        if not tree.exists():
            making = packages.cache_folder() / f"{package}.{os.getpid()}"
            (making / "debs").mkdir(parents=True)
            (deb,) = packages.download([package], packages.private_apt(making / "apt"), making / "debs")
            run("dpkg", "-x", str(deb), str(making / "tree"))
            (making / "tree").rename(tree)
            shutil.rmtree(making)
    return tree


def _copy(disk: Path, file: Path, place: str) -> None:
    run("mcopy", "-i", str(disk), str(file), f"::/{place}")


def run(name: str, *arguments: str, limit_s: float = 60.0) -> str:
    program = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") or name
    command = [program, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    assert done.returncode == 0, f"{name} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"
    return done.stdout.decode(errors="replace")
