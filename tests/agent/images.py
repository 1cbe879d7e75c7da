"""Images made on the spot: a manifest with its chunks from a few bytes, in small blocks, and slots that are files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from surefoot_agent.ports import Piece, Slots
from surefoot_shared.image import NO_BLOB, Image, joined
from surefoot_shared.release import Manifest, SlotKind, digest_of, manifest_bytes
from surefoot_shared.status import SlotName

BLOCK = 4096
CHUNK_BLOCKS = 4


@dataclass(frozen=True)
class MadeImage:
    """A release of an image with everything that a source would have to hold."""

    content: bytes
    manifest: Manifest
    blobs: dict[str, bytes]

    @property
    def raw(self) -> bytes:
        return manifest_bytes(self.manifest)

    @property
    def digest(self) -> str:
        return digest_of(self.raw)

    def source(self, piece: Piece, offset: int) -> Iterable[bytes]:
        """An honest source, in parts that fit no block."""
        whole = self.blobs[piece.sha256][offset : piece.end]
        return (whole[at : at + 3_000] for at in range(0, len(whole), 3_000))


def image_release(content: bytes, version: str = "1.0", component: str = "rootfs", block: int = BLOCK) -> MadeImage:
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    blobs, chunks = {}, []
    for at in range(0, len(blocks), CHUNK_BLOCKS):
        carried = b"".join(part for part in blocks[at : at + CHUNK_BLOCKS] if part.strip(b"\0"))
        chunks.append(hashlib.sha256(carried).digest() if carried else NO_BLOB)
        if carried:
            blobs[digest_of(carried)] = carried
    image = Image(
        len(content), block, CHUNK_BLOCKS, joined(hashlib.sha256(part).digest() for part in blocks), joined(chunks)
    )
    manifest = Manifest(
        component=component,
        version=version,
        counter=1,
        svn=0,
        hw=("x86-box",),
        files=(),
        slot=SlotKind.IMAGE,
        image=image,
    )
    return MadeImage(content, manifest, blobs)


def two_devices(folder: Path, size: int) -> dict[SlotName, Path]:
    """Two files that stand for devices, full of what was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    devices = {slot: folder / f"slot-{slot.value.lower()}" for slot in SlotName}
    for path in devices.values():
        path.write_bytes(b"\xff" * size)
    return devices


def fill(slots: Slots, slot: SlotName, made: MadeImage) -> list[Piece]:
    """Begin and write what is missing; return what had to be fetched."""
    slots.begin(slot, made.manifest, made.raw)
    fetched: list[Piece] = []
    for piece in slots.missing(slot):
        for left in slots.reuse(slot, piece):
            fetched.append(left)
            slots.write(slot, left, partial(made.source, left))
    return fetched


def install(slots: Slots, slot: SlotName, made: MadeImage) -> list[Piece]:
    fetched = fill(slots, slot, made)
    slots.seal(slot)
    return fetched
