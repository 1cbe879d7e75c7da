"""Files of real FAT file systems of every width, made by Debian's tools, are read without a mount."""

from __future__ import annotations

import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from surefoot_agent.boot import fat

NEEDS = pytest.mark.needs("mkfs.vfat", "mcopy")
LINE = b"console=tty1 root=PARTUUID=1f2e3d4c-05 rootwait panic=5\n"
SHAPES = [(12, 1, ()), (16, 16, ()), (32, 64, ("-s", "1")), (16, 16, ("-S", "1024")), (32, 64, ("-f", "1", "-s", "1"))]


def made(folder: Path, bits: int, mib: int, more: tuple[str, ...], files: dict[str, bytes]) -> Path:
    image = folder / "fat.img"
    image.touch()
    subprocess.run(["truncate", "-s", f"{mib}M", image], check=True)
    subprocess.run(["mkfs.vfat", "-F", str(bits), *more, image], check=True, capture_output=True)
    for name, content in files.items():
        (folder / "put").write_bytes(content)
        subprocess.run(["mcopy", "-i", image, str(folder / "put"), f"::/{name}"], check=True)
    return image


@NEEDS
@pytest.mark.parametrize(("bits", "mib", "more"), SHAPES)
def test_a_file_among_others_is_read_whole(tmp_path: Path, bits: int, mib: int, more: tuple[str, ...]) -> None:
    long = bytes(range(256)) * 150  # some dozens of clusters
    others = {f"a long name of another file {number}.dtb": b"x" * 700 for number in range(20)}
    image = made(tmp_path, bits, mib, more, {**others, "config.txt": long, "cmdline.txt": LINE})

    assert fat.read(image, "cmdline.txt") == LINE
    assert fat.read(image, "config.txt") == long
    assert fat.read(image, "config.txt", limit=1000) == long[:1000]
    assert fat.read(image, "kernel8.img") is None


@NEEDS
def test_an_empty_file_is_there_and_a_deleted_one_is_not(tmp_path: Path) -> None:
    image = made(tmp_path, 16, 16, (), {"empty.txt": b"", "cmdline.txt": LINE})
    subprocess.run(["mdel", "-i", image, "::/cmdline.txt"], check=True)

    assert fat.read(image, "empty.txt") == b""
    assert fat.read(image, "cmdline.txt") is None


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\xff" * 4096, bytes(510) + b"\x55\xaa"])
def test_what_is_no_fat_holds_no_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "disk").write_bytes(content)

    assert fat.read(tmp_path / "disk", "cmdline.txt") is None


@NEEDS
@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_one_ends_with_what_it_says_or_with_nothing(tmp_path: Path, seed: int) -> None:
    image = made(tmp_path, 12, 1, (), {"cmdline.txt": LINE * 200})
    raw = bytearray(image.read_bytes())
    for at in range(seed, 12 * 1024, 97):  # head, tables and top folder
        raw[at] ^= 0xA5 + seed & 0xFF
    image.write_bytes(raw)

    found = fat.read(image, "cmdline.txt")

    assert found is None or len(found) <= fat.LIMIT_BYTES


@NEEDS
def test_a_chain_that_bites_its_tail_ends(tmp_path: Path) -> None:
    image = made(tmp_path, 16, 16, (), {"cmdline.txt": LINE * 200})
    raw = bytearray(image.read_bytes())
    reserved, sector = int.from_bytes(raw[14:16], "little"), int.from_bytes(raw[11:13], "little")
    entry = reserved * sector + 2 * 2  # of the first cluster, where the file begins
    raw[entry : entry + 2] = (2).to_bytes(2, "little")
    image.write_bytes(raw)

    found = fat.read(image, "cmdline.txt")

    assert found is not None
    assert len(found) == len(LINE * 200)


def head(per_cluster: int, sector: int = 512) -> bytearray:
    """Head and table of a FAT with 32 bits whose top folder is a chain that bites its tail."""
    raw = bytearray(3 * sector)
    struct.pack_into("<HBHBHH", raw, 11, sector, per_cluster, 1, 1, 0, 0)
    struct.pack_into("<II", raw, 32, 0xFFFFFFFF, 1)
    struct.pack_into("<I", raw, 44, 2)
    raw[510:512] = b"\x55\xaa"
    struct.pack_into("<I", raw, sector + 4 * 2, 2)
    return raw


@pytest.mark.parametrize(("per_cluster", "most"), [(1, 3), (128, 3), (255, 0), (3, 0), (0, 0)])
def test_a_damaged_head_makes_no_folder_fill_the_memory(tmp_path: Path, per_cluster: int, most: int) -> None:
    raw = head(per_cluster, 4096)
    with (tmp_path / "disk").open("wb") as file:
        file.write(raw[: 2 * 4096] + b"X" * 4096 * max(1, per_cluster))

    tracemalloc.start()
    found = fat.read(tmp_path / "disk", "cmdline.txt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found is None
    assert peak < (2 * most + 1) * 1024 * 1024


@NEEDS
@pytest.mark.parametrize("bits", [12, 16])
def test_what_other_systems_keep_where_wide_numbers_have_their_upper_half_is_no_number(
    tmp_path: Path, bits: int
) -> None:
    image = made(tmp_path, bits, 16 if bits == 16 else 1, (), {"cmdline.txt": LINE})
    raw = bytearray(image.read_bytes())
    raw[raw.index(b"CMDLINE TXT") + 20] = 7
    image.write_bytes(raw)

    assert fat.read(image, "cmdline.txt") == LINE


def test_a_device_that_is_away_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fat.read(tmp_path / "mmcblk0p2", "cmdline.txt")
