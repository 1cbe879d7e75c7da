"""A USB stick as a source: its bytes are checked like any other's, and a bad stick burns no attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.download import local
from surefoot_agent.ports import Piece
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.messages import Source
from tests.agent.download.sources import serving
from tests.agent.download.test_http import CONTENT, FILES, MODEL, RAW, B, Device, lease, wish
from tests.agent.trees import snapshot

SIZE = len(FILES["lib/model.bin"])
WHOLE = Piece("lib/model.bin", MODEL, SIZE, 0, SIZE)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "usb stick"
    (folder / "blobs").mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / "blobs" / name).write_bytes(content)
    return folder


def source(folder: Path) -> Source:
    found = local.source_of(folder)
    assert found is not None
    return found


def read(folder: Path, sha256: str = MODEL, offset: int = 0, size: int = SIZE) -> bytes:
    piece = Piece("lib/model.bin", sha256, size, 0, size)
    return b"".join(local.chunks(source(folder), piece, offset, lambda: False))


def test_a_release_is_installed_from_a_stick_without_any_network(tmp_path: Path, stick: Path) -> None:
    device = Device(tmp_path)

    assert device.downloader.manifest(wish(), lease(source(stick))) == RAW
    device.fill(lease(source(stick)))

    assert snapshot(device.slots.path(B)) == FILES


def test_reading_goes_on_where_it_stopped(stick: Path) -> None:
    assert read(stick, offset=1000) == FILES["lib/model.bin"][1000:]


def test_a_part_of_a_file_is_read_and_no_more(stick: Path) -> None:
    part = Piece("block 1", MODEL, SIZE, 1_000, 5_000)

    assert b"".join(local.chunks(source(stick), part, 2_000, lambda: False)) == FILES["lib/model.bin"][2_000:5_000]


def test_the_manifest_is_found_beside_the_blobs(stick: Path) -> None:
    name = next(name for name, content in CONTENT.items() if content == RAW)
    (stick / "blobs" / name).rename(stick / "manifest.json")

    assert read(stick, name, size=len(RAW)) == RAW


def test_what_the_stick_lacks_comes_from_the_network(tmp_path: Path, stick: Path) -> None:
    (stick / "blobs" / MODEL).unlink()
    device = Device(tmp_path)

    with serving(CONTENT) as blobs:
        device.fill(lease(source(stick), blobs))

    assert [asked.sha256 for asked in blobs.asked] == [MODEL]


def test_a_changed_file_is_refused_by_its_hash_and_the_next_source_is_asked(tmp_path: Path, stick: Path) -> None:
    (stick / "blobs" / MODEL).write_bytes(b"x" * SIZE)
    device = Device(tmp_path)
    with pytest.raises(InstallFailed) as caught:
        device.fill(lease(source(stick)))
    assert caught.value.kind == "artifact_corrupt"

    with serving(CONTENT) as blobs:
        device.fill(lease(source(stick), blobs))

    assert snapshot(device.slots.path(B)) == FILES


@pytest.mark.parametrize("content", [None, b"too short"])
def test_a_stick_that_lacks_a_file_or_holds_another_size_says_so(stick: Path, content: bytes | None) -> None:
    path = stick / "blobs" / MODEL
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(SurefootError) as caught:
        read(stick)

    assert caught.value.kind == ("unreachable" if content is None else "artifact_corrupt")


def test_a_stick_that_is_pulled_out_is_waited_for(stick: Path) -> None:
    gone = source(stick)
    stick.rename(stick.with_name("gone"))

    with pytest.raises(Unreachable):
        list(local.chunks(gone, WHOLE, 0, lambda: False))


@pytest.mark.parametrize("name", ["../../etc/passwd", "manifest.json", ""])
def test_nothing_but_hashes_is_read(stick: Path, name: str) -> None:
    with pytest.raises(InstallFailed):
        read(stick, name)


def test_a_stop_is_obeyed(stick: Path) -> None:
    with pytest.raises(InstallFailed) as caught:
        list(local.chunks(source(stick), WHOLE, 0, lambda: True))

    assert caught.value.kind == "cancelled_by_order"


def test_a_folder_without_blobs_is_no_source(tmp_path: Path) -> None:
    assert local.source_of(tmp_path) is None
