"""Old bytes are found where the same content lies, whatever it is called and however far it moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.packs.similar import GRAIN_BYTES, Fingerprints, sample
from tests.server.packs import shelf
from tests.server.packs.shelf import KIB, noise


def test_what_moved_is_found_in_the_file_and_at_the_place_where_it_was(tmp_path: Path) -> None:
    wanted = noise(300 * KIB, 7)
    old = {"a": noise(200 * KIB, 1), "b": noise(256 * KIB, 2) + wanted + noise(256 * KIB, 3), "c": b"x" * 900}
    made = shelf.make(tmp_path, old=old)

    found = Fingerprints(made.old).stretches(noise(1001, 8) + wanted, 1024 * KIB)

    (stretch,) = found
    assert (made.old.files[stretch.file][0], stretch.votes > 1000) == ("b", True)
    assert stretch.at <= 256 * KIB <= 556 * KIB <= stretch.at + stretch.size_bytes
    assert stretch.size_bytes <= 300 * KIB + 4 * GRAIN_BYTES


def test_the_limit_is_kept_and_goes_to_what_resembles_most(tmp_path: Path) -> None:
    same, near = noise(256 * KIB, 1), noise(64 * KIB, 2)
    made = shelf.make(tmp_path, old={"near": noise(36 * KIB, 4) + near + noise(190 * KIB, 5), "same": same})

    found = Fingerprints(made.old).stretches(same + near, 256 * KIB)

    assert sum(one.size_bytes for one in found) <= 256 * KIB
    assert max(found, key=lambda one: one.size_bytes).file == 1


def test_content_that_nobody_has_and_content_too_short_to_tell_find_nothing(tmp_path: Path) -> None:
    prints = Fingerprints(shelf.make(tmp_path).old)

    assert prints.stretches(noise(100 * KIB, 99), 1024 * KIB) == []
    assert prints.stretches(b"short", 1024 * KIB) == []


def test_padding_tells_nothing(tmp_path: Path) -> None:
    made = shelf.make(tmp_path, old={"zeros": bytes(300 * KIB), "pattern": b"\xcc" * 100 * KIB})

    assert Fingerprints(made.old).stretches(bytes(200 * KIB), 1024 * KIB) == []


@pytest.mark.parametrize(
    "entry", [b"\0", b"\xcc" * 8, b"\0" * 15 + b"\1", bytes(range(24)), b"12345678" * 2 + b"abcdefgh" * 2]
)
def test_what_repeats_itself_takes_no_memory(entry: bytes, tmp_path: Path) -> None:
    """An image is zeros for the most part; without this its fingerprints took 16 times its size."""
    much = (entry * (1024 * KIB // len(entry) + 1))[: 1024 * KIB]
    made = shelf.make(tmp_path, old={"much": much, "real": noise(64 * KIB, 1)})

    prints = Fingerprints(made.old)

    assert len(prints._hashes) < 64 * KIB / 128 * 2 + 1000
    assert [made.old.files[one.file][0] for one in prints.stretches(noise(64 * KIB, 1), 128 * KIB)] == ["real"]


def test_fingerprints_do_not_depend_on_where_the_content_begins() -> None:
    content = noise(20 * KIB, 5)

    here, there = sample(content)[0], sample(b"abc" + content)[0]

    assert len(here) > 100
    assert set(here.tolist()) <= set(there.tolist())
