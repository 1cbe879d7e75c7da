"""What a release holds can be read by number, a tree's files and an image's chunks alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.packs import shelf
from tests.server.packs.shelf import KIB, noise


def test_a_file_is_read_by_its_number_in_the_manifest(tmp_path: Path) -> None:
    new = shelf.make(tmp_path).new
    number = next(n for n, file in enumerate(new.manifest.files) if file.path.startswith("lib/"))

    assert new.base_bytes(number, 10, 5) == shelf.library(True)[10:15]
    assert new.sizes[number] == len(shelf.library(True))


def test_two_files_with_the_same_bytes_are_one_target_the_first(tmp_path: Path) -> None:
    new = shelf.make(tmp_path, new={"b": b"same", "a": b"same", "empty": b""}).new

    assert set(new.targets.values()) == {0}


def test_an_image_reads_as_its_slot_does_zeros_and_all(tmp_path: Path) -> None:
    image = noise(100 * KIB, 1) + bytes(5000 * KIB) + noise(28 * KIB, 2)
    old = shelf.make(tmp_path, old=image, new=image).old

    assert old.base_bytes(0, 0, len(image)) == image
    assert old.base_bytes(0, 90 * KIB, 20 * KIB) == image[90 * KIB : 110 * KIB]
    assert old.base_bytes(0, 5090 * KIB, 30 * KIB) == image[5090 * KIB : 5120 * KIB]


def test_a_blob_that_was_cut_short_is_noticed(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)
    file = made.new.manifest.files[0]
    made.new.path_of(file.sha256).write_bytes(b"")

    with pytest.raises(OSError, match="shorter"):
        made.new.target_bytes(0, 0, file.size)
