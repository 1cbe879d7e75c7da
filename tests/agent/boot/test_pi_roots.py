"""A Raspberry Pi's disk as sysfs and /dev show it, with what goes wrong in the cmdline.txt of its boot partitions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from surefoot_agent.boot import pi_roots
from surefoot_agent.boot.noted import NotedBoot
from surefoot_agent.boot.pi_roots import finding, named, refuse_another
from surefoot_agent.boot.tryboot import Tryboot
from surefoot_agent.boot.variables import Names
from surefoot_agent.components import ComponentSettings
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from tests.agent.boot.benches import TrybootBench, tryboot
from tests.agent.boot.test_fat import NEEDS, made

A, B = SlotName.A, SlotName.B
PI = ComponentSettings("image", "tryboot", slot_a="/dev/mmcblk0p5", slot_b="/dev/mmcblk0p6")


@dataclass
class Pi:
    """`root` holds dev, sys and proc; boot partitions are mounted files unless a test says otherwise."""

    root: Path

    def make(self) -> Pi:
        for name in (
            "boot/firmware",
            "dev/disk/by-partuuid",
            "dev/disk/by-partlabel",
            "dev/mapper",
            "proc/self",
            "sys",
        ):
            (self.root / name).mkdir(parents=True)
        (self.root / "boot/firmware/autoboot.txt").touch()
        disk = self.root / "sys/devices/mmc/mmcblk0"
        for number in (1, 2, 3, 5, 6, 7):
            (disk / f"mmcblk0p{number}").mkdir(parents=True)
            (disk / f"mmcblk0p{number}/partition").write_text(f"{number}\n")
            (self.root / f"dev/mmcblk0p{number}").touch()
            os.symlink(f"../../mmcblk0p{number}", self.root / f"dev/disk/by-partuuid/1f2e3d4c-0{number}")
        os.symlink("../../mmcblk0p5", self.root / "dev/disk/by-partlabel/root_A")
        device = (self.root / "boot/firmware/autoboot.txt").stat().st_dev
        (self.root / "sys/dev/block").mkdir(parents=True)
        os.symlink(
            "../../devices/mmc/mmcblk0/mmcblk0p1",
            self.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}",
        )
        return self

    def say(self, number: int, line: str | None) -> None:
        """Give a boot partition its cmdline.txt, on a real FAT."""
        folder = self.root / f"fat{number}"
        folder.mkdir(exist_ok=True)
        files = {"config.txt": b"arm_64bit=1\n"} | ({} if line is None else {"cmdline.txt": line.encode()})
        made(folder, 16, 16, (), files).replace(self.root / f"dev/mmcblk0p{number}")


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path / "root").make()


@NEEDS
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("root=PARTUUID=1f2e3d4c-05 rootwait", "console=tty1 root=PARTUUID=1F2E3D4C-06 panic=5\n"),
        ("root=/dev/mmcblk0p5", "root=/dev/mmcblk0p6"),
        ("root=PARTLABEL=root_A", "root=/dev/mmcblk0p5 root=/dev/mmcblk0p6"),
    ],
    ids=["PARTUUID in either case", "device", "the last one counts"],
)
def test_slots_that_name_their_own_root_are_right(pi: Pi, a: str, b: str) -> None:
    pi.say(2, a)
    pi.say(3, b)

    found = finding(PI, pi.root)

    assert (found.name, found.ok) == ("roots", True), found.message
    refuse_another(PI, B, pi.root)


@NEEDS
@pytest.mark.parametrize("line", ["root=PARTUUID=1f2e3d4c-05", "root=/dev/mmcblk0p7", "root=PARTLABEL=root_A"])
def test_a_slot_that_would_start_another_root_is_found_and_refused(pi: Pi, line: str) -> None:
    pi.say(2, "root=PARTUUID=1f2e3d4c-05")
    pi.say(3, line)

    found = finding(PI, pi.root)

    assert not found.ok
    assert found.message == (
        f"cmdline.txt in boot partition 3 says {line}, which is not /dev/mmcblk0p6: the slot would start another root."
    )
    assert "blkid -s PARTUUID -o value /dev/mmcblk0p6" in found.hint
    refuse_another(PI, A, pi.root)
    with pytest.raises(InstallFailed, match="would start another root") as caught:
        refuse_another(PI, B, pi.root)
    assert (caught.value.kind, caught.value.hint) == ("boot_control_failed", found.hint)


@NEEDS
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("root=UUID=5f3a-11", "by the file system (UUID=5f3a-11), which every update replaces"),
        ("root=LABEL=rootfs", "by the file system"),
        ("console=tty1", "names no root"),
        ("root=", "names no root"),
        ("root=/dev/dm-0", "cannot be told"),
        ("root=/dev/nfs", "cannot be told"),
        ("root=b302", "cannot be told"),
        ("root=PARTUUID=ffffffff-05", "not to be found"),
        ("root=PARTUUID=1f2e\0\0\0\0", "is damaged"),
        ("root=/dev/\x1b[2J", "is damaged"),
        ("root=/dev/" + "x" * 5000, "is damaged"),
        ("\0" * 512, "names no root"),
        (None, "is not there"),
    ],
)
def test_what_cannot_be_told_is_found_and_not_refused(pi: Pi, line: str | None, words: str) -> None:
    pi.say(2, "root=PARTUUID=1f2e3d4c-05")
    pi.say(3, line)

    found = finding(PI, pi.root)

    assert not found.ok
    assert words in found.message
    assert found.hint
    refuse_another(PI, B, pi.root)


@NEEDS
def test_a_boot_partition_that_is_mounted_is_read_where_it_is(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    pi.say(2, "root=PARTUUID=1f2e3d4c-06")
    pi.say(3, "root=PARTUUID=1f2e3d4c-06")
    (pi.root / "mnt").mkdir()
    (pi.root / "mnt/cmdline.txt").write_text("root=PARTUUID=1f2e3d4c-05")
    at = pi.root / "dev/mmcblk0p2"
    monkeypatch.setattr(pi_roots.mounts, "mounted_at", lambda _status, path, _table: "/mnt" if path == at else None)

    assert finding(PI, pi.root).ok
    (pi.root / "mnt/cmdline.txt").unlink()
    assert "is not there" in finding(PI, pi.root).message


def test_a_disk_that_lacks_the_partition_or_cannot_be_seen_is_told(pi: Pi, tmp_path: Path) -> None:
    lacking = ComponentSettings("image", "tryboot", boot_slots="2 9", slot_a="/dev/mmcblk0p5", slot_b="/dev/mmcblk0p6")

    assert "has no partition 9" in named(lacking, B, pi.root).problem
    assert "cannot be looked at" in named(PI, B, tmp_path / "nowhere").problem


@NEEDS
def test_a_slot_that_would_start_another_root_is_never_armed(pi: Pi, tmp_path: Path) -> None:
    pi.say(3, "root=PARTUUID=1f2e3d4c-05")
    bench = tryboot(tmp_path)
    assert isinstance(bench, TrybootBench)
    folder = bench.folder
    board = Tryboot(
        folder,
        folder / "autoboot.txt",
        Names("2", "3"),
        str(folder / "vcmailbox"),
        folder,
        lambda slot: refuse_another(PI, slot, pi.root),
    )
    boot, before = NotedBoot(board, folder), (folder / "autoboot.txt").read_bytes()

    with pytest.raises(InstallFailed, match="would start another root"):
        boot.arm_trial(B)

    assert (folder / "flags").read_text() == "0\n"
    assert (folder / "autoboot.txt").read_bytes() == before
    assert (boot.primary(), boot.trial().slot) == (A, None)
    pi.say(3, "root=PARTUUID=1f2e3d4c-06")
    boot.arm_trial(B)
    assert boot.trial().slot is B
