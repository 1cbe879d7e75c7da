"""What is compared comes from the medium, not from memory; and nothing in use is written."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.slots import medium as module
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.slots.medium import Medium, compare_blocks, read_blocks, size_of
from surefoot_shared.errors import InstallFailed
from surefoot_shared.image import Index
from surefoot_shared.status import SlotName
from tests.agent.images import BLOCK, MadeImage, fill, image_release, install

CONTENT = os.urandom(600 * BLOCK + 512)
MADE = image_release(CONTENT)


def index_of(made: MadeImage) -> Index:
    assert made.manifest.image is not None
    return made.manifest.image.index()


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    path = tmp_path / "slot"
    path.write_bytes(CONTENT + b"tail of the slot")
    return path


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A real block device, and the file behind it."""
    backing = tmp_path / "backing"
    backing.write_bytes(bytes(1024 * BLOCK))
    made = subprocess.run(["losetup", "--show", "-f", backing], capture_output=True, text=True, check=True)
    device = Path(made.stdout.strip())
    yield device, backing
    subprocess.run(["losetup", "-d", device], check=True)


def read(path: Path, blocks: list[int], index: Index | None = None) -> list[tuple[int, bytes]]:
    return [(block, bytes(content)) for block, content in read_blocks(path, index or index_of(MADE), blocks)]


def test_every_block_is_read_at_its_place(slot: Path) -> None:
    every = list(range(601))

    assert read(slot, every) == [(n, CONTENT[n * BLOCK : (n + 1) * BLOCK]) for n in every]


def test_blocks_come_in_the_order_in_which_they_were_asked_for(slot: Path) -> None:
    asked = [600, 3, 4, 5, 4, 0, 300]

    assert read(slot, asked) == [(n, CONTENT[n * BLOCK : (n + 1) * BLOCK]) for n in asked]
    assert read(slot, []) == []


def test_every_block_is_compared_with_the_medium_in_its_order(slot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE_WINDOWS", 1)
    with slot.open("r+b") as file:
        for block in (0, 299, 600):
            file.seek(block * BLOCK + 100)
            file.write(b"rot")

    found = list(compare_blocks(slot, index_of(MADE), list(range(601))))

    assert [block for block, _ in found] == list(range(601))
    assert [block for block, matches in found if not matches] == [0, 299, 600]
    assert list(compare_blocks(slot, index_of(MADE), [])) == []


def test_a_comparison_that_nobody_waits_for_leaves_nothing_behind(slot: Path) -> None:
    before = len(os.listdir("/proc/self/fd")), threading.active_count()

    comparing = compare_blocks(slot, index_of(MADE), list(range(601)))
    next(comparing)
    comparing.close()

    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_what_lies_behind_the_end_of_the_device_is_nothing(slot: Path) -> None:
    os.truncate(slot, 2 * BLOCK + 100)

    assert [len(content) for _, content in read(slot, [0, 1, 2, 3])] == [BLOCK, BLOCK, 100, 0]


def test_reading_is_direct(slot: Path) -> None:
    reading = read_blocks(slot, index_of(MADE), [0])
    next(reading)

    flags = [
        int(line.split()[1], 8)
        for info in Path("/proc/self/fdinfo").iterdir()
        if os.path.realpath(f"/proc/self/fd/{info.name}") == os.path.realpath(slot)
        for line in info.read_text().splitlines()
        if line.startswith("flags:")
    ]
    assert [bool(flag & os.O_DIRECT) for flag in flags] == [True]
    reading.close()


def test_where_direct_reads_are_refused_pages_are_dropped_and_it_is_said(
    slot: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, dropped = os.open, []

    def no_direct(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no direct reads")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", no_direct)
    monkeypatch.setattr(os, "posix_fadvise", lambda *given: dropped.append(given[3]))
    with caplog.at_level(logging.WARNING):
        found = read(slot, [0, 600])

    assert found == [(0, CONTENT[:BLOCK]), (600, CONTENT[600 * BLOCK :])]
    assert dropped == [os.POSIX_FADV_DONTNEED]
    assert "slot_read_through_cache" in caplog.text


def test_a_file_system_that_takes_the_flag_and_refuses_the_read_is_read_all_the_same(
    slot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = os.preadv, []

    def first_refused(handle: int, buffers: list[memoryview], offset: int) -> int:
        if not refused:
            refused.append(offset)
            raise OSError(errno.EINVAL, "no")
        return real(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", first_refused)

    assert read(slot, [7]) == [(7, CONTENT[7 * BLOCK : 8 * BLOCK])]


def test_a_bad_sector_reads_as_nothing_and_the_rest_is_read(slot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.preadv

    def bad(handle: int, buffers: list[memoryview], offset: int) -> int:
        if offset == 256 * BLOCK:  # where the second window begins
            raise OSError(errno.EIO, "medium error")
        return real(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", bad)

    lengths = {len(content) for block, content in read(slot, list(range(600))) if 256 <= block < 512}
    assert lengths == {0}
    assert read(slot, [0, 599]) == [(0, CONTENT[:BLOCK]), (599, CONTENT[599 * BLOCK : 600 * BLOCK])]


def test_a_reader_who_goes_away_leaves_nothing_open(slot: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    reading = read_blocks(slot, index_of(MADE), list(range(600)))
    next(reading)
    reading.close()

    assert len(os.listdir("/proc/self/fd")) == before


def test_writing_is_told_to_start_now_and_then_and_is_durable_after_a_sync(
    slot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_BYTES", 2 * BLOCK)
    started, synced = [], []
    monkeypatch.setattr(os, "posix_fadvise", lambda *given: started.append(given[3]))
    monkeypatch.setattr(os, "fsync", synced.append)
    writer = Medium(slot)

    for block in range(5):
        writer.write(block * BLOCK, b"n" * BLOCK)
    writer.sync()
    writer.close()

    assert (len(started), len(synced)) == (2, 1)
    assert slot.read_bytes()[: 5 * BLOCK] == b"n" * 5 * BLOCK


def test_a_write_that_takes_fewer_bytes_goes_on(slot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, view, offset: real(handle, view[:1000], offset))
    writer = Medium(slot)

    writer.write(BLOCK, b"m" * BLOCK)
    writer.close()

    assert slot.read_bytes()[BLOCK : 2 * BLOCK] == b"m" * BLOCK


def test_the_size_of_a_slot_is_that_of_its_device(slot: Path) -> None:
    assert size_of(slot) == len(CONTENT) + 16
    with pytest.raises(InstallFailed) as caught:
        size_of(slot.with_name("gone"))
    assert caught.value.kind == "slot_missing"


@pytest.mark.needs("losetup")
def test_a_real_block_device_is_filled_and_sealed(tmp_path: Path, loop: tuple[Path, Path]) -> None:
    device, backing = loop
    other = tmp_path / "other"
    other.write_bytes(bytes(1024 * BLOCK))
    slots = ImageSlots(tmp_path / "rootfs", {SlotName.A: other, SlotName.B: device})

    slots.room(len(CONTENT), 0, SlotName.B)
    install(slots, SlotName.B, MADE)

    assert (slots.digest(SlotName.B), size_of(device)) == (MADE.digest, 1024 * BLOCK)
    assert backing.read_bytes()[: len(CONTENT)] == CONTENT


@pytest.mark.needs("losetup")
def test_a_medium_that_rotted_under_a_clean_cache_is_found(tmp_path: Path, loop: tuple[Path, Path]) -> None:
    device, backing = loop
    other = tmp_path / "other"
    other.write_bytes(bytes(1024 * BLOCK))
    slots = ImageSlots(tmp_path / "rootfs", {SlotName.A: other, SlotName.B: device})
    fill(slots, SlotName.B, MADE)
    slots._filling[SlotName.B].medium.sync()  # type: ignore[union-attr]
    with device.open("rb") as cached:
        assert cached.read(len(CONTENT)) == CONTENT
        with backing.open("r+b") as file:
            file.seek(300 * BLOCK)
            file.write(b"rot")
            file.flush()
            os.fsync(file.fileno())
        cached.seek(300 * BLOCK)
        assert cached.read(BLOCK) == CONTENT[300 * BLOCK : 301 * BLOCK], "memory still shows what was written"

        with pytest.raises(InstallFailed, match="first block 300") as caught:
            slots.seal(SlotName.B)

    assert caught.value.kind == "slot_corrupt"


@pytest.mark.needs("losetup", "mkfs.ext4")
def test_a_mounted_device_and_the_file_behind_it_are_not_written(tmp_path: Path, loop: tuple[Path, Path]) -> None:
    device, backing = loop
    subprocess.run(["mkfs.ext4", "-q", device], check=True)
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    subprocess.run(["mount", device, place], check=True)
    try:
        kinds = []
        for path in (device, backing):
            with pytest.raises(InstallFailed) as caught:
                Medium(path)
            kinds.append(caught.value.kind)
    finally:
        subprocess.run(["umount", place], check=True)

    assert kinds == ["slot_in_use", "slot_in_use"]
    Medium(device).close()


@pytest.mark.needs("losetup")
def test_a_device_that_somebody_holds_exclusively_is_not_written(loop: tuple[Path, Path]) -> None:
    device, _ = loop
    holder = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(InstallFailed) as caught:
            Medium(device)
    finally:
        os.close(holder)

    assert caught.value.kind == "slot_in_use"
