"""An image slot filled from packs: patched against the blocks of the other slot, its first block last."""

from __future__ import annotations

import random
from pathlib import Path

import hdiffpatch
import pytest

from surefoot_agent.ports import Wish
from surefoot_agent.slots.image import ImageSlots
from surefoot_shared.errors import Unreachable
from surefoot_shared.release import note_of
from surefoot_shared.status import Intent, SlotName
from tests.agent.download import sources
from tests.agent.download.devices import Device, lease
from tests.agent.download.sources import serving
from tests.agent.download.unpacking import MadePack, packed, patched, plain
from tests.agent.images import BLOCK, CHUNK_BLOCKS, MadeImage, image_release, install, two_devices

A, B = SlotName.A, SlotName.B
CHUNK = BLOCK * CHUNK_BLOCKS
NOISE = random.Random(21).randbytes(8 * CHUNK)
ZEROS = bytes(CHUNK)
OLD = image_release(NOISE[: 4 * CHUNK] + ZEROS + NOISE[4 * CHUNK : 5 * CHUNK + 512])


def changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def touched(content: bytes, end: int) -> bytes:
    """A few bytes of every block before `end` are others: each block must come, and each is nearly the old one."""
    for at in range(0, end, BLOCK):
        content = changed(content, at + 10, b"another one")
    return content


NEW = image_release(touched(OLD.content, 2 * CHUNK)[:-512] + NOISE[6 * CHUNK : 6 * CHUNK + 1024], "2.0")
INDEX = NEW.manifest.image.index()  # type: ignore[union-attr]


def blob(chunk: int) -> bytes:
    return NEW.blobs[INDEX.blob(chunk).sha256]


def member_of(chunk: int, **more: bytes) -> tuple[object, bytes]:
    """A patch of the chunk against the same place of the old image, a plain member where there was nothing."""
    old = OLD.content[chunk * CHUNK : (chunk + 1) * CHUNK]
    if chunk >= 5:
        return plain(chunk, blob(chunk))
    return patched(chunk, old, blob(chunk), base_at=chunk * CHUNK, patch=more.get(f"c{chunk}"))


def delta(**more: bytes) -> MadePack:
    chunks = [chunk for chunk in range(INDEX.chunks) if chunk in (0, 1) or chunk >= 5]
    members = [member_of(chunk, **more) for chunk in chunks]
    return packed(members, NEW.digest, OLD.digest)  # type: ignore[arg-type]


class ImageDevice(Device):
    def __init__(self, root: Path) -> None:
        devices = (
            two_devices(root / "devices", 10 * CHUNK)
            if not (root / "devices").exists()
            else {slot: root / "devices" / f"slot-{slot.value.lower()}" for slot in SlotName}
        )
        slots = ImageSlots(root / "rootfs", devices)
        if slots.digest(A) is None:
            install(slots, A, OLD)
        slots.begin(B, NEW.manifest, NEW.raw)
        self.first_block = devices[B]
        super().__init__(root, slots=slots)

    def update(self, *blobs: sources.Blobs, packs: list[MadePack]) -> None:
        wanted = Wish("a-1", "rootfs", 1, Intent.UPDATE, NEW.digest, len(NEW.raw), note_of(NEW.manifest))
        given = lease(*blobs, packs=[made.offer for made in packs])
        self.downloader.fill(wanted, NEW.manifest, B, given, lambda *_: None, self.stopped.is_set, self.said.append)
        self.slots.seal(B)

    @property
    def is_whole(self) -> bool:
        return self.slots.path(B).read_bytes()[: len(NEW.content)] == NEW.content


def content(*made: MadePack) -> dict[str, bytes]:
    return {**NEW.blobs, **{each.offer.sha256: each.raw for each in made}}


def test_an_image_is_patched_from_the_other_slot_in_one_pack(tmp_path: Path) -> None:
    device, made = ImageDevice(tmp_path), delta()
    with serving(content(made)) as blobs:
        device.update(blobs, packs=[made])

    assert device.is_whole
    assert [asked.sha256 for asked in blobs.asked] == [made.offer.sha256]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["c0", "c1"])
def test_a_patch_that_makes_wrong_blocks_costs_those_blocks_alone(tmp_path: Path, wrong: str) -> None:
    chunk = int(wrong[1])
    old = OLD.content[chunk * CHUNK : (chunk + 1) * CHUNK]
    bad = bytearray(blob(chunk))
    bad[3 if chunk == 0 else 2 * BLOCK] ^= 1
    made = delta(**{wrong: hdiffpatch.diff(old, bytes(bad))})
    device = ImageDevice(tmp_path)
    with serving(content(made)) as blobs:
        device.update(blobs, packs=[made])

    assert device.is_whole
    assert {asked.sha256 for asked in blobs.asked} == {made.offer.sha256, INDEX.blob(chunk).sha256}
    assert blobs.sent < len(made.raw) + CHUNK


@pytest.mark.slow
def test_the_first_block_is_not_there_before_the_rest_is(tmp_path: Path) -> None:
    """What could be booted must not be there while anything is missing."""
    made = packed([member_of(0)], NEW.digest, OLD.digest)  # type: ignore[list-item]
    device = ImageDevice(tmp_path)
    first: list[bytes] = []

    def others_fail(request: sources.Request) -> None:
        first.append(device.first_block.read_bytes()[:BLOCK])
        (sources.honest if request.sha256 == made.offer.sha256 else sources.status(500))(request)

    with serving(content(made), others_fail) as blobs:
        with pytest.raises(Unreachable):
            device.update(blobs, packs=[made])
        assert set(first) == {bytes(BLOCK)}
        blobs.trick = None
        again = ImageDevice(tmp_path)
        again.update(blobs, packs=[made])

    assert again.is_whole


@pytest.mark.slow
def test_a_pack_that_is_cut_leaves_its_blocks_to_the_next_way(tmp_path: Path) -> None:
    cut = packed([member_of(1)], NEW.digest, OLD.digest)  # type: ignore[list-item]
    device = ImageDevice(tmp_path)
    with serving(content(cut)) as blobs:
        device.update(blobs, packs=[cut])

    assert device.is_whole
    assert INDEX.blob(1).sha256 not in [asked.sha256 for asked in blobs.asked]


@pytest.mark.slow
def test_another_image_than_the_pack_starts_from_is_not_patched(tmp_path: Path) -> None:
    made = packed([member_of(0), member_of(1)], NEW.digest, "e" * 64)  # type: ignore[list-item]
    device = ImageDevice(tmp_path)
    with serving(content(made)) as blobs:
        device.update(blobs, packs=[made])

    assert device.is_whole
    assert made.offer.sha256 not in [asked.sha256 for asked in blobs.asked]


def whole(image: MadeImage) -> MadePack:
    index = image.manifest.image.index()  # type: ignore[union-attr]
    carried = [chunk for chunk in range(index.chunks) if index.blob(chunk).size_bytes]
    return packed([plain(chunk, image.blobs[index.blob(chunk).sha256]) for chunk in carried], image.digest)


@pytest.mark.slow
def test_a_whole_image_comes_in_a_pack_too(tmp_path: Path) -> None:
    made = whole(NEW)
    small = MadePack(made.raw, made.offer)
    device = ImageDevice(tmp_path)
    device.slots.clear(A)
    with serving(content(small)) as blobs:
        device.update(blobs, packs=[small])

    assert device.is_whole
