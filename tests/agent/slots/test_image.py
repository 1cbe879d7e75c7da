"""What is in a slot is what was signed, block by block, whatever the disk, the source or the power does."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from surefoot_agent import durable
from surefoot_agent.ports import Piece, Slots
from surefoot_agent.slots import image as module
from surefoot_agent.slots import label, mounts
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.slots.medium import Medium
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.release import digest_of
from surefoot_shared.status import SlotName
from tests.agent.images import BLOCK, CHUNK_BLOCKS, MadeImage, fill, image_release, install, two_devices
from tests.agent.slots.contract import Offer, SlotsContract

A, B = SlotName.A, SlotName.B
CHUNK = BLOCK * CHUNK_BLOCKS
SLOT_BYTES = 10 * CHUNK
NOISE = random.Random(7).randbytes(4 * CHUNK)
OLD = image_release(NOISE[: 3 * CHUNK] + bytes(CHUNK) + NOISE[:512], "1.0")
NEW = image_release(
    NOISE[:CHUNK] + NOISE[3 * CHUNK :] + NOISE[2 * CHUNK : 3 * CHUNK] + bytes(CHUNK) + NOISE[:512], "2.0"
)


class Recorder(Medium):
    """Notes every write and sync; raises what it is told."""

    def __init__(self, path: Path, log: list[tuple[str, int, int]], fault: Callable[[str, int], None]) -> None:
        super().__init__(path)
        self.log, self.fault = log, fault

    def write(self, offset: int, content: bytes | memoryview) -> None:
        self.fault("write", offset)
        self.log.append(("write", offset, len(content)))
        super().write(offset, content)

    def sync(self) -> None:
        self.fault("sync", 0)
        self.log.append(("sync", 0, 0))
        super().sync()


@pytest.fixture
def devices(tmp_path: Path) -> dict[SlotName, Path]:
    return two_devices(tmp_path / "dev", SLOT_BYTES)


@pytest.fixture
def slots(tmp_path: Path, devices: dict[SlotName, Path]) -> ImageSlots:
    return ImageSlots(tmp_path / "rootfs", devices)


def held(slots: Slots, slot: SlotName, made: MadeImage) -> bool:
    return slots.path(slot).read_bytes()[: len(made.content)] == made.content


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


class TestContract(SlotsContract):
    @pytest.fixture
    def offers(self) -> list[Offer]:
        return [Offer(OLD.manifest, OLD.blobs), Offer(NEW.manifest, NEW.blobs)]

    def damage(self, slots: Slots, slot: SlotName, offer: Offer) -> None:
        flip(slots.path(slot), CHUNK + 5)

    def reopened(self, slots: Slots) -> Slots:
        assert isinstance(slots, ImageSlots)
        return ImageSlots(slots._folder.parent, slots._devices)


def test_the_slot_holds_the_image_and_keeps_what_lies_behind_it(slots: ImageSlots) -> None:
    install(slots, B, OLD)

    assert held(slots, B, OLD)
    assert set(slots.path(B).read_bytes()[len(OLD.content) :]) == {0xFF}


def test_nothing_about_a_slot_is_kept_inside_it(slots: ImageSlots, tmp_path: Path) -> None:
    install(slots, B, OLD)

    names = {path.name for path in (tmp_path / "rootfs" / "slots").iterdir()}
    assert names == {"B.manifest", "B.sealed", "B.progress"}


def test_zeros_are_written_and_never_fetched(slots: ImageSlots) -> None:
    fetched = install(slots, B, OLD)

    assert sum(piece.size_bytes for piece in fetched) == 3 * CHUNK + 512
    assert held(slots, B, OLD)


def test_blocks_that_moved_are_found_in_the_other_slot(slots: ImageSlots) -> None:
    install(slots, A, OLD)

    fetched = install(slots, B, NEW)

    assert [piece.name for piece in fetched] == ["blocks 4 to 7"]
    assert held(slots, B, NEW)


def test_blocks_that_the_slot_itself_has_at_their_place_are_not_fetched_again(slots: ImageSlots) -> None:
    install(slots, B, OLD)
    grown = image_release(OLD.content[:-512] + bytes(CHUNK), "3.0")

    fetched = fill(slots, B, grown)

    assert [piece.name for piece in fetched] == ["block 0"]


def test_a_slot_that_the_factory_filled_is_compared_and_not_written(slots: ImageSlots) -> None:
    slots.path(A).write_bytes(OLD.content)
    os.chmod(slots.path(A), 0o444)
    before = slots.path(A).stat().st_mtime_ns

    fetched = install(slots, A, OLD)

    assert (fetched, slots.digest(A), slots.path(A).stat().st_mtime_ns) == ([], OLD.digest, before)


def test_runs_of_a_chunk_that_lie_close_together_are_one_piece_and_others_are_not(
    slots: ImageSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot_agent.slots import pieces

    monkeypatch.setattr(pieces, "GAP_BYTES", BLOCK)
    base = image_release(NOISE[:CHUNK] * 2, "1.0")
    install(slots, A, base)
    blocks = [bytearray(NOISE[at : at + BLOCK]) for at in range(0, CHUNK, BLOCK)]
    blocks[0][0] ^= 1
    blocks[3][0] ^= 1
    far = image_release(NOISE[:CHUNK] + b"".join(blocks), "2.0")
    blocks[0][1] ^= 1
    blocks[2][0] ^= 1
    near = image_release(NOISE[:CHUNK] + b"".join(blocks), "3.0")

    names = [[p.name for p in fill(slots, B, made)] for made in (far, near)]

    assert names == [["block 4", "block 7"], ["blocks 4 to 6"]], "the second found block 7 in place"


# --- the order of things --------------------------------------------------------------------------------------------


def recording(
    tmp_path: Path, devices: dict[SlotName, Path], fault: Callable[[str, int], None] = lambda what, at: None
) -> tuple[ImageSlots, list[tuple[str, int, int]]]:
    log: list[tuple[str, int, int]] = []
    return ImageSlots(tmp_path / "rootfs", devices, open_medium=lambda path: Recorder(path, log, fault)), log


def test_the_seal_is_gone_before_the_first_byte(tmp_path: Path, devices: dict[SlotName, Path]) -> None:
    install(ImageSlots(tmp_path / "rootfs", devices), B, OLD)
    seal = tmp_path / "rootfs" / "slots" / "B.sealed"
    assert seal.exists()

    def fault(what: str, at: int) -> None:
        assert not seal.exists()

    slots, log = recording(tmp_path, devices, fault)
    fill(slots, B, NEW)

    assert log


def test_the_first_block_is_wiped_first_and_written_last_with_syncs_between(
    tmp_path: Path, devices: dict[SlotName, Path]
) -> None:
    slots, log = recording(tmp_path, devices)

    install(slots, B, OLD)

    assert log[:2] == [("write", 0, BLOCK), ("sync", 0, 0)]
    assert log[-3:] == [("sync", 0, 0), ("write", 0, BLOCK), ("sync", 0, 0)]
    assert [at for what, at, _ in log[2:-3] if what == "write"] == sorted({n * BLOCK for n in range(1, 17)})


def test_every_block_is_verified_before_it_is_written(tmp_path: Path, devices: dict[SlotName, Path]) -> None:
    slots, log = recording(tmp_path, devices)
    slots.begin(B, OLD.manifest, OLD.raw)
    piece = slots.missing(B)[1]
    good = OLD.blobs[piece.sha256]

    with pytest.raises(InstallFailed):
        slots.write(B, piece, lambda offset: [good[: 2 * BLOCK], b"\0" * 2 * BLOCK])

    assert [at for what, at, _ in log[2:] if what == "write"] == [CHUNK, CHUNK + BLOCK]


def test_progress_is_stored_seldom_and_only_after_a_sync(
    tmp_path: Path, devices: dict[SlotName, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, log = recording(tmp_path, devices)
    monkeypatch.setattr(module, "NOTE_BYTES", 2 * CHUNK)
    stored: list[tuple[str, int, int] | None] = []
    monkeypatch.setattr(module.progress, "store", lambda *_: stored.append(log[-1] if log else None))

    fill(slots, B, OLD)

    assert len(stored) == 3, "at the start, and after each two chunks"
    assert all(entry is not None and entry[0] == "sync" for entry in stored)


# --- after the end of the world -------------------------------------------------------------------------------------


class Cut(BaseException):
    """The power is gone."""


def after_the_cut(medium: str, synced: bytes, written: bytes, seed: int) -> bytes:
    """What a disk holds when the power is back: everything, only what was synced, or some sectors of the rest."""
    if medium == "kept":
        return written
    if medium == "lost":
        return synced
    chance = random.Random(seed)
    sectors = [(synced[at : at + 512], written[at : at + 512]) for at in range(0, len(written), 512)]
    return b"".join(chance.choice(pair) for pair in sectors)


class Power:
    """Counts the points at which the world can end, and ends it at one of them."""

    def __init__(self) -> None:
        self.left = -1
        self.device = Path()
        self.synced = b""

    def on(self, device: Path, left: int) -> None:
        self.device, self.left, self.synced = device, left, device.read_bytes()

    def point(self, what: str, at: int = 0) -> None:
        if self.left == 0:
            raise Cut
        self.left -= 1
        if what == "sync":
            self.synced = self.device.read_bytes()

    def around(self, act: Callable[..., None]) -> Callable[..., None]:
        def tripped(*given: object) -> None:
            self.point("before")
            act(*given)
            self.point("after")

        return tripped


@pytest.mark.slow
@pytest.mark.parametrize("medium", ["kept", "lost", "scattered"])
def test_a_cut_at_every_write_and_sync_leaves_nothing_to_boot_and_goes_on(
    tmp_path: Path, medium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scattered`: each sector since the last sync was kept or lost, so writes are torn as well.

    Writing and removing the files beside the slot are points too, before and after.
    """
    power, points = Power(), 0
    monkeypatch.setattr(module, "NOTE_BYTES", 3 * BLOCK)
    for part, name in ((label, "write_file"), (module.progress, "write_file"), (durable, "remove")):
        monkeypatch.setattr(part, name, power.around(getattr(part, name)))
    for point in range(1000):
        folder = tmp_path / str(point)
        devices = two_devices(folder / "dev", SLOT_BYTES)
        slots, _ = recording(folder, devices, power.point)
        power.on(devices[B], point)
        try:
            install(slots, B, OLD)
            points = point
            break
        except Cut:
            devices[B].write_bytes(after_the_cut(medium, power.synced, devices[B].read_bytes(), point))
        finally:
            power.left = -1

        again, first = ImageSlots(folder / "rootfs", devices), devices[B].read_bytes()[:BLOCK]
        sealed = again.installed(B) is not None
        assert not sealed or held(again, B, OLD), "the seal comes last of all"
        assert first != OLD.content[:BLOCK] or held(again, B, OLD), "the first block comes last"
        install(again, B, OLD)
        assert (held(again, B, OLD), again.digest(B)) == (True, OLD.digest)

    assert points >= 40


def test_what_is_remembered_is_compared_and_never_believed(tmp_path: Path, slots: ImageSlots) -> None:
    slots.begin(B, OLD.manifest, OLD.raw)
    first, second, *_ = slots.missing(B)
    slots.write(B, first, partial(OLD.source, first))

    def cut(offset: int) -> Iterable[bytes]:
        raise Unreachable("unreachable", "cut")
        yield b""

    with pytest.raises(Unreachable):
        slots.write(B, second, cut)
    flip(slots.path(B), 2 * BLOCK)

    again = ImageSlots(tmp_path / "rootfs", slots._devices)
    again.begin(B, OLD.manifest, OLD.raw)

    (left,) = again.reuse(B, again.missing(B)[0])
    assert (left.name, left.sha256) == ("block 2", first.sha256)


def test_progress_of_another_release_still_says_where_to_look(tmp_path: Path, slots: ImageSlots) -> None:
    install(slots, B, OLD)
    fill(slots, B, NEW)
    third = image_release(NOISE[:CHUNK] + NOISE[CHUNK : 2 * CHUNK] + NEW.content[2 * CHUNK :], "3.0")

    again = ImageSlots(tmp_path / "rootfs", slots._devices)

    assert [piece.name for piece in fill(again, B, third)] == ["blocks 4 to 7", "block 0"]


@pytest.mark.parametrize("text", ["", "{}", '{"digest": 3}', "\x00\x01", '{"digest": "x", "runs": [[5]]}'])
def test_progress_that_cannot_be_read_costs_a_comparison_and_no_download(
    tmp_path: Path, slots: ImageSlots, text: str
) -> None:
    install(slots, B, OLD)
    (tmp_path / "rootfs" / "slots" / "B.progress").write_text(text)

    assert fill(ImageSlots(tmp_path / "rootfs", slots._devices), B, OLD) == []


# --- what the disk does ---------------------------------------------------------------------------------------------


def failing(number: int, at: str) -> Callable[[str, int], None]:
    def fault(what: str, _: int) -> None:
        if what == at:
            raise InstallFailed("slot_write_failed", os.strerror(number))

    return fault


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, "no_space"),
        (errno.EDQUOT, "no_space"),
        (errno.EIO, "slot_write_failed"),
        (errno.EROFS, "slot_write_failed"),
        (errno.ENXIO, "slot_missing"),
        (errno.ENODEV, "slot_missing"),
        (errno.EBUSY, "slot_in_use"),
    ],
)
def test_what_the_disk_says_has_its_kind(
    slots: ImageSlots, monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    def broken(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    slots.begin(B, OLD.manifest, OLD.raw)
    piece = slots.missing(B)[0]
    monkeypatch.setattr(os, "pwrite", broken)

    with pytest.raises(InstallFailed) as caught:
        slots.write(B, piece, partial(OLD.source, piece))

    assert caught.value.kind == kind


def test_after_a_sync_that_failed_only_what_was_synced_before_counts(
    tmp_path: Path, devices: dict[SlotName, Path]
) -> None:
    broken = False

    def fault(what: str, at: int) -> None:
        if broken and what == "sync":
            raise InstallFailed("slot_write_failed", "the disk lost it")

    slots, _ = recording(tmp_path, devices, fault)
    slots.begin(B, OLD.manifest, OLD.raw)
    broken = True
    *others, last = slots.missing(B)
    for piece in others:
        slots.write(B, piece, partial(OLD.source, piece))
    with pytest.raises(InstallFailed, match="lost it"):
        slots.write(B, last, partial(OLD.source, last))
    devices[B].write_bytes(b"\xff" * SLOT_BYTES)
    broken = False

    install(slots, B, OLD)

    assert held(slots, B, OLD)


@pytest.mark.parametrize("gone", [A, B])
def test_a_slot_that_does_not_exist_is_named(slots: ImageSlots, gone: SlotName) -> None:
    slots.path(gone).unlink()

    for act in (lambda: slots.room(512, 0, gone), lambda: slots.begin(gone, OLD.manifest, OLD.raw)):
        with pytest.raises(InstallFailed, match=f"slot-{gone.value.lower()}") as caught:
            act()
        assert caught.value.kind == "slot_missing"


def test_another_slot_that_cannot_be_read_costs_a_download_and_not_the_update(slots: ImageSlots) -> None:
    install(slots, A, OLD)
    slots.path(A).unlink()

    fetched = install(slots, B, OLD)

    assert sum(piece.size_bytes for piece in fetched) == 3 * CHUNK + 512
    assert held(slots, B, OLD)


def test_a_folder_or_a_pipe_is_no_slot(slots: ImageSlots) -> None:
    for make in (lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/dev/null")):
        slots.path(B).rmdir() if slots.path(B).is_dir() else slots.path(B).unlink()
        make(slots.path(B))
        with pytest.raises(InstallFailed) as caught:
            slots.begin(B, OLD.manifest, OLD.raw)
        assert caught.value.kind == "slot_missing"


def test_an_image_larger_than_its_slot_is_refused_and_the_slot_stays_as_it_is(slots: ImageSlots) -> None:
    os.truncate(slots.path(B), CHUNK)

    with pytest.raises(InstallFailed) as caught:
        slots.begin(B, OLD.manifest, OLD.raw)

    assert (caught.value.kind, slots.path(B).stat().st_size) == ("no_space", CHUNK)
    with pytest.raises(InstallFailed, match="needs"):
        slots.room(len(OLD.content), 0, B)


def test_the_reserve_on_the_data_partition_is_kept(tmp_path: Path, devices: dict[SlotName, Path]) -> None:
    with pytest.raises(InstallFailed, match="reserve"):
        ImageSlots(tmp_path / "rootfs", devices, reserve_bytes=1 << 60).room(512, 0, B)


@pytest.mark.parametrize("how", ["path", "link", "hard link"])
def test_two_names_of_one_slot_are_found_out(tmp_path: Path, devices: dict[SlotName, Path], how: str) -> None:
    other = tmp_path / "dev" / "other"
    if how == "link":
        other.symlink_to(devices[A])
    elif how == "hard link":
        other.hardlink_to(devices[A])
    slots = ImageSlots(tmp_path / "rootfs", {A: devices[A], B: devices[A] if how == "path" else other})

    with pytest.raises(InstallFailed) as caught:
        slots.begin(B, OLD.manifest, OLD.raw)

    assert caught.value.kind == "slot_in_use"


def test_a_mounted_slot_is_not_written(slots: ImageSlots, monkeypatch: pytest.MonkeyPatch) -> None:
    install(slots, B, OLD)
    monkeypatch.setattr(mounts, "mounted_at", lambda status, path, table: "/mnt/somewhere")

    with pytest.raises(InstallFailed, match="/mnt/somewhere") as caught:
        slots.begin(B, NEW.manifest, NEW.raw)

    assert caught.value.kind == "slot_in_use"
    assert (slots.digest(B), held(slots, B, OLD)) == (OLD.digest, True)


def test_a_slot_that_cannot_be_wiped_loses_its_seal_all_the_same(
    slots: ImageSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(slots, B, OLD)
    monkeypatch.setattr(mounts, "mounted_at", lambda status, path, table: "/mnt")

    slots.clear(B)

    assert (slots.digest(B), held(slots, B, OLD)) == (None, True)


def test_a_cleared_slot_cannot_be_mounted_and_what_is_left_of_it_is_not_fetched_again(slots: ImageSlots) -> None:
    install(slots, B, OLD)

    slots.clear(B)

    assert slots.path(B).read_bytes()[:BLOCK] == bytes(BLOCK)
    assert [piece.name for piece in install(slots, B, OLD)] == ["block 0"]


def test_a_block_that_cannot_be_read_back_is_corrupt(slots: ImageSlots, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(slots, B, OLD)
    real = os.preadv

    def bad_sector(handle: int, buffers: list[memoryview], offset: int) -> int:
        if offset == 0 and len(buffers[0]) > BLOCK:
            raise OSError(errno.EIO, "medium error")
        return real(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", bad_sector)

    with pytest.raises(InstallFailed) as caught:
        slots.seal(B)

    assert caught.value.kind == "slot_corrupt"


def test_nothing_is_written_into_a_slot_that_was_not_begun(slots: ImageSlots) -> None:
    with pytest.raises(InstallFailed, match="begun"):
        slots.write(B, Piece("block 0", "0" * 64, BLOCK, 0, BLOCK), lambda offset: [])


def test_a_tree_that_lies_where_the_manifest_of_an_image_should_is_not_verified(slots: ImageSlots) -> None:
    from surefoot_shared.release import manifest_bytes
    from tests.agent.trees import release

    tree = release({"a": b"x"})
    slots._labels.write(B, tree, manifest_bytes(tree))

    with pytest.raises(InstallFailed, match="no image"):
        slots.seal(B)


@pytest.mark.slow
def test_an_image_beyond_four_gib_is_written_at_the_right_places(tmp_path: Path) -> None:
    size, mib = (4 << 30) + (8 << 20), 1 << 20
    devices = {slot: tmp_path / slot.value for slot in SlotName}
    for path in devices.values():
        path.touch()
        os.truncate(path, size)
    with (tmp_path / "image").open("wb") as file:
        file.truncate(size)
        for at, byte in ((0, b"a"), ((1 << 32) - mib, b"b"), (1 << 32, b"c"), (size - mib, b"d")):
            file.seek(at)
            file.write(byte * mib)
    from surefoot_server.releases.build import build_release
    from surefoot_server.releases.recipe import Recipe

    built = build_release(tmp_path / "image", Recipe("rootfs", "1", 1, hw=("x86-box",)), tmp_path / "out")
    slots = ImageSlots(tmp_path / "rootfs", devices)
    slots.begin(B, built.manifest, built.raw)
    for piece in slots.missing(B):
        for left in slots.reuse(B, piece):
            blob = built.blob(left.sha256).read_bytes()
            slots.write(B, left, lambda offset, blob=blob, end=left.end: [blob[offset:end]])
    slots.seal(B)

    assert slots.digest(B) == digest_of(built.raw)
    with devices[B].open("rb") as file:
        for at, byte in ((0, b"a"), ((1 << 32) - mib, b"b"), (1 << 32, b"c"), (size - mib, b"d"), (mib, b"\0")):
            file.seek(at)
            assert file.read(mib) == byte * mib
