"""A blob is there whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from backports import zstd

from surefoot_server.releases.blobs import BlobStore
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.release import digest_of

RAW = b"frames" * 1000
NAME = digest_of(RAW)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", 1 << 20)


def test_a_blob_is_found_under_its_own_hash(blobs: BlobStore) -> None:
    writer = blobs.write(NAME, None)
    for n in range(0, len(RAW), 700):
        writer.feed(RAW[n : n + 700])

    assert writer.finish() == len(RAW)
    assert blobs.existing(NAME).read_bytes() == RAW
    assert blobs.size(NAME) == len(RAW)


def test_wrong_bytes_never_get_a_name_and_leave_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        blobs.put(NAME, RAW[:-1])

    assert refused.value.kind == "artifact_corrupt"
    assert not blobs.has(NAME)
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []


def test_an_upload_that_was_killed_is_swept_at_the_next_start(blobs: BlobStore, tmp_path: Path) -> None:
    writer = blobs.write(NAME, None)
    writer.feed(RAW[:100])

    again = BlobStore(tmp_path / "blobs", 1 << 20)

    assert not again.has(NAME)
    assert list((tmp_path / "blobs" / "partial").iterdir()) == []


def test_an_aborted_upload_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    writer = blobs.write(NAME, None)
    writer.feed(RAW)
    writer.abort()

    assert list((tmp_path / "blobs" / "partial").iterdir()) == []


def test_the_same_blob_may_come_twice_at_once(blobs: BlobStore) -> None:
    one, two = blobs.write(NAME, None), blobs.write(NAME, None)
    one.feed(RAW)
    two.feed(RAW)

    assert one.finish() == two.finish()
    assert blobs.existing(NAME).read_bytes() == RAW


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "/x"])
def test_only_a_sha256_names_a_blob(blobs: BlobStore, name: str) -> None:
    with pytest.raises(Invalid):
        blobs.path(name)


def test_a_missing_blob_is_said_to_be_missing(blobs: BlobStore) -> None:
    blobs.put(NAME, RAW)

    assert blobs.missing([NAME, "b" * 64, "a" * 64, "b" * 64]) == ["a" * 64, "b" * 64]
    with pytest.raises(NotFound):
        blobs.existing("a" * 64)


def test_a_blob_above_the_limit_is_refused_when_announced_and_when_it_comes(tmp_path: Path) -> None:
    small = BlobStore(tmp_path / "blobs", 100)

    with pytest.raises(Invalid, match="100"):
        small.write(NAME, len(RAW))
    with pytest.raises(Invalid, match="100"):
        small.put(NAME, RAW)


def test_a_full_disk_is_refused_before_the_first_byte(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        total: int = 1
        used: int = 1
        free: int = 1

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())

    with pytest.raises(Conflict) as refused:
        blobs.write(NAME, 10)

    assert refused.value.kind == "no_space"
    assert "needs 0.0 MiB, 0.0 MiB are free and 256.0 MiB of them are reserved" in refused.value.message


@pytest.mark.parametrize("damaged", [RAW[:-1], RAW + b"x", b"X" + RAW[1:], b""], ids=["short", "long", "flip", "empty"])
def test_a_damaged_blob_counts_as_missing_until_an_upload_replaces_it(blobs: BlobStore, damaged: bytes) -> None:
    blobs.put(NAME, RAW)
    blobs.path(NAME).write_bytes(damaged)

    assert blobs.missing([NAME]) == [NAME]
    blobs.put(NAME, RAW)

    assert blobs.missing([NAME]) == []
    assert blobs.existing(NAME).read_bytes() == RAW


def test_a_blob_that_cannot_be_read_counts_as_missing(blobs: BlobStore) -> None:
    blobs.put(NAME, RAW)
    blobs.path(NAME).unlink()
    blobs.path(NAME).mkdir()

    assert blobs.missing([NAME]) == [NAME]


def test_a_compressed_form_is_taken_in_only_where_it_decompresses_to_its_name(tmp_path: Path) -> None:
    store, raw = BlobStore(tmp_path / "blobs", 1 << 20), b"words " * 999
    name = f"{digest_of(raw)}.zst"

    for wrong in (zstd.compress(b"other"), raw, zstd.compress(raw)[:-3], b"", zstd.compress(bytes(1 << 21))):
        with pytest.raises(Invalid, match="does not match"):
            store.put(name, wrong)
    store.put(name, zstd.compress(raw))

    assert store.is_whole(name)
    assert store.missing([name]) == []
    assert list(store.names()) == [name]
    assert store.etag(name).startswith(f'"{name}-')
