"""While one pack is unpacked the next one is fetched: over a real socket, with a slot that waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from surefoot_agent.download.spool import Spool
from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from tests.agent.download import sources
from tests.agent.download.devices import MANIFEST, NEW, RAW, TO, B, Device, content, lease
from tests.agent.download.sources import Blobs, Request, serving
from tests.agent.download.unpacking import packed, plain
from tests.agent.trees import snapshot

PATIENCE_S = 30.0
FIRST, SECOND, THIRD = (
    packed([plain(path, NEW[list(NEW)[path]]) for path in paths], to=TO, start="") for paths in ((0, 1), (2, 3), (5,))
)
PACKS = [each.offer for each in (FIRST, SECOND, THIRD)]


class Waiting(DirectorySlots):
    """Writes nothing before it is let go; `seen` says that it was asked to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seen, self.go = threading.Event(), threading.Event()
        self.begin(B, MANIFEST, RAW)

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        self.seen.set()
        assert self.go.wait(PATIENCE_S), "the next pack was not asked for meanwhile"
        super().write(slot, piece, source)


def names(blobs: Blobs) -> list[str]:
    return [asked.sha256 for asked in blobs.asked]


def test_the_next_pack_comes_while_one_is_unpacked(tmp_path: Path) -> None:
    slots = Waiting(tmp_path / "app")

    def on_second(request: Request) -> None:
        sources.honest(request)
        if request.sha256 == SECOND.offer.sha256:
            slots.go.set()

    with serving(content(FIRST, SECOND, THIRD), on_second) as blobs:
        Device(tmp_path, slots=slots).fill(lease(blobs, packs=PACKS))

    assert names(blobs) == [each.sha256 for each in PACKS]
    assert snapshot(slots.path(B)) == NEW
    assert not list((tmp_path / "fetch").iterdir())


def test_it_does_not_come_where_the_slot_would_lack_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spool, "room_bytes", lambda _: max(each.size_bytes for each in PACKS))
    here: list[list[str]] = []

    def look(request: Request) -> None:
        here.append(sorted(path.name for path in (tmp_path / "fetch").glob("*") if len(path.name) == 64))
        sources.honest(request)

    device = Device(tmp_path, old=False)
    with serving(content(FIRST, SECOND, THIRD), look) as blobs:
        device.fill(lease(blobs, packs=PACKS))

    assert here == [[each.sha256] for each in PACKS]
    assert snapshot(device.slots.path(B)) == NEW


def test_one_that_fails_meanwhile_has_its_turn_all_the_same(tmp_path: Path) -> None:
    tries: list[str] = []

    def fail_at_first(request: Request) -> None:
        tries.append(request.sha256)
        bad = request.sha256 == SECOND.offer.sha256 and tries.count(request.sha256) == 1
        (sources.status(500) if bad else sources.honest)(request)

    device = Device(tmp_path, old=False)
    with serving(content(FIRST, SECOND, THIRD), fail_at_first) as blobs:
        device.fill(lease(blobs, packs=PACKS))

    assert [tries.count(each.sha256) for each in PACKS] == [1, 2, 1]
    assert snapshot(device.slots.path(B)) == NEW


def test_a_stop_ends_both(tmp_path: Path) -> None:
    slots = Waiting(tmp_path / "app")
    device, came = Device(tmp_path, slots=slots), threading.Event()

    def hang_on_second(request: Request) -> None:
        if request.sha256 == SECOND.offer.sha256:
            device.stopped.set()
            slots.go.set()
            came.wait(PATIENCE_S)
        else:
            sources.honest(request)

    with serving(content(FIRST, SECOND, THIRD), hang_on_second) as blobs:
        with pytest.raises(InstallFailed, match="stopped"):
            device.fill(lease(blobs, packs=PACKS))
        came.set()

    assert not [each for each in threading.enumerate() if each.name == "pack-ahead"]
