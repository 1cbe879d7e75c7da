"""An image becomes an index and chunks: the same for the same bytes, and nothing for zeros."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from surefoot_server.releases import image as images
from surefoot_server.releases.image import BLOCK_BYTES, CHUNK_BYTES, read_image
from surefoot_shared.errors import Invalid
from surefoot_shared.image import Image

CHUNK = os.urandom(CHUNK_BYTES)
QUIET = lambda done, total: None  # noqa: E731


def read(folder: Path, content: bytes, name: str = "root.ext4") -> tuple[Image, dict[str, bytes]]:
    (folder / name).write_bytes(content)
    blobs = folder / f"{name}.blobs"
    blobs.mkdir()
    image = read_image(folder / name, blobs, QUIET)
    return image, {path.name: path.read_bytes() for path in blobs.iterdir()}


def test_index_and_chunks_give_the_image_back(tmp_path: Path) -> None:
    content = CHUNK + bytes(BLOCK_BYTES) + CHUNK[: BLOCK_BYTES + 512]

    image, blobs = read(tmp_path, content)

    index, found = image.index(), bytearray(len(content))
    for blob in index.blobs():
        at = 0
        for block in blob.blocks:
            part = blobs[blob.sha256][at : at + index.length(block)]
            assert index.matches(block, part)
            found[block * BLOCK_BYTES : block * BLOCK_BYTES + len(part)] = part
            at += len(part)
    assert found == content
    assert all(hashlib.sha256(raw).hexdigest() == name for name, raw in blobs.items())


def test_the_same_bytes_give_the_same_release_with_or_without_holes(tmp_path: Path) -> None:
    solid, blobs = read(tmp_path, CHUNK + bytes(2 * CHUNK_BYTES))
    with (tmp_path / "sparse").open("wb") as file:
        file.write(CHUNK)
        file.truncate(3 * CHUNK_BYTES)
    (tmp_path / "again").mkdir()

    sparse = read_image(tmp_path / "sparse", tmp_path / "again", QUIET)

    assert sparse == solid
    assert {path.name for path in (tmp_path / "again").iterdir()} == set(blobs)


def test_zeros_cost_nothing(tmp_path: Path) -> None:
    _, blobs = read(tmp_path, bytes(CHUNK_BYTES) + b"x" * 512 + bytes(CHUNK_BYTES - 512))

    assert [len(raw) for raw in blobs.values()] == [BLOCK_BYTES]


def test_a_chunk_that_did_not_change_is_the_same_blob(tmp_path: Path) -> None:
    changed = CHUNK[:-1] + bytes([CHUNK[-1] ^ 1])

    _, old = read(tmp_path, CHUNK + CHUNK, "old")
    _, new = read(tmp_path, CHUNK + changed, "new")

    assert len(old) == 1, "the same chunk twice is one blob"
    assert len(new.keys() - old.keys()) == 1


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(CHUNK + CHUNK[:512])
    (tmp_path / "blobs").mkdir()
    told: list[tuple[int, int]] = []

    read_image(tmp_path / "image", tmp_path / "blobs", lambda done, total: told.append((done, total)))

    assert told == [(CHUNK_BYTES, CHUNK_BYTES + 512), (CHUNK_BYTES + 512, CHUNK_BYTES + 512)]


def test_a_huge_image_gets_larger_blocks_so_that_its_manifest_stays_small() -> None:
    sizes = [1 << 20, 8 << 30, (8 << 30) + 512, 100 << 30]

    assert [images._block_bytes(size) for size in sizes] == [64 << 10, 64 << 10, 128 << 10, 1 << 20]


@pytest.mark.parametrize(("content", "why"), [(b"", "is empty"), (b"x" * 513, "whole sector")])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read(tmp_path, content)


def test_a_device_or_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(Invalid, match="no regular file"):
            read_image(path, tmp_path, QUIET)


@pytest.mark.parametrize("change", ["shorter", "other bytes"])
def test_an_image_that_changes_while_it_is_read_is_refused(tmp_path: Path, change: str) -> None:
    (tmp_path / "blobs").mkdir()
    path = tmp_path / "image"
    path.write_bytes(CHUNK * 3)

    def meddle(done: int, total: int) -> None:
        if done == CHUNK_BYTES and change == "shorter":
            os.truncate(path, CHUNK_BYTES + 512)
        elif done == CHUNK_BYTES:
            os.utime(path, (1, 1))

    with pytest.raises(Invalid, match="while it was read"):
        read_image(path, tmp_path / "blobs", meddle)
