"""A whole file over MQTT needs its room once: it is moved from where it grew into the slot, also across a death."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_agent.download.air import Air
from surefoot_agent.download.beside import Beside
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.unpack import Unpacker
from surefoot_agent.ports import Bytes, Piece, Wish
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared import pack, wire
from surefoot_shared.messages import ChunkRequest, Lease
from surefoot_shared.release import digest_of, manifest_bytes, note_of
from surefoot_shared.status import Intent, SlotName
from tests.agent.trees import release, snapshot

CHUNK = 16_384
MODEL = random.Random(3).randbytes(400_000)
FILES = {"model.bin": MODEL}
MANIFEST = release(FILES, "2.0")
RAW = manifest_bytes(MANIFEST)
WISH = Wish("a-1", "app", 1, Intent.UPDATE, digest_of(RAW), len(RAW), note_of(MANIFEST))
LEASE = Lease("a-1", (), 60.0, chunk_bytes=CHUNK)


class Ether:
    """Answers every question in full."""

    def __init__(self) -> None:
        self.takes: dict[str, Callable[[int, bytes], None]] = {}
        self.asked = 0

    def listen(self, sha256: str, take: Callable[[int, bytes], None]) -> None:
        self.takes[sha256] = take

    def deafen(self, sha256: str) -> None:
        del self.takes[sha256]

    def publish(self, what: str, payload: bytes) -> bool:
        request = wire.decode(ChunkRequest, payload)
        self.asked += 1
        missing = pack.parse_bitmap(request.missing, -(-len(MODEL) // CHUNK))
        threading.Thread(target=self._send, args=(request.sha256, missing), daemon=True).start()
        return what == "chunks"

    def _send(self, sha256: str, missing: tuple[int, ...]) -> None:
        for n in missing:
            if (take := self.takes.get(sha256)) is not None:
                take(n, MODEL[n * CHUNK : (n + 1) * CHUNK])


class Died(BaseException):
    """The process ended here."""


class Watched(DirectorySlots):
    """Notes how much of the disk everything takes once a file has its place; may die before it has it."""

    def __init__(self, root: Path, dies: bool = False) -> None:
        super().__init__(root / "app")
        self.root, self.dies, self.most_bytes = root, dies, 0

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        if self.dies and list(self.root.glob("app/slots/*.part/*")):
            raise Died
        super().write(slot, piece, source)
        found = {each.stat().st_ino: each.stat().st_blocks * 512 for each in self.root.rglob("*") if each.is_file()}
        self.most_bytes = max(self.most_bytes, sum(found.values()))


def _other_disk(source: object, _target: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def fill(slots: DirectorySlots, root: Path, ether: Ether) -> None:
    air, unpacker = Air("cam-1", silence_s=0.3), Unpacker()
    air.attach(ether)
    downloader = HttpDownloader(slots, None, beside=Beside(Spool(root / "fetch"), unpacker, air=air))
    downloader.fill(WISH, MANIFEST, SlotName.B, LEASE, lambda *_: None, lambda: False)
    slots.seal(SlotName.B)


def test_a_file_over_mqtt_takes_its_size_of_the_disk_once(tmp_path: Path) -> None:
    slots = Watched(tmp_path)
    slots.begin(SlotName.B, MANIFEST, RAW)

    fill(slots, tmp_path, Ether())

    assert snapshot(slots.path(SlotName.B)) == FILES
    assert len(MODEL) <= slots.most_bytes < 1.1 * len(MODEL)
    assert os.stat(slots.path(SlotName.B) / "model.bin").st_mode & 0o7777 == 0o444
    assert list((tmp_path / "fetch").iterdir()) == []


def test_what_cannot_be_moved_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Watched(tmp_path)
    slots.begin(SlotName.B, MANIFEST, RAW)
    monkeypatch.setattr(os, "rename", _other_disk)

    fill(slots, tmp_path, Ether())

    assert snapshot(slots.path(SlotName.B)) == FILES
    assert slots.most_bytes >= 2 * len(MODEL)


def test_a_death_between_the_spool_and_its_place_costs_no_second_transfer(tmp_path: Path) -> None:
    ether, dying = Ether(), Watched(tmp_path, dies=True)
    dying.begin(SlotName.B, MANIFEST, RAW)
    with pytest.raises(Died):
        fill(dying, tmp_path, ether)
    asked = ether.asked

    slots = Watched(tmp_path)
    slots.begin(SlotName.B, MANIFEST, RAW)
    fill(slots, tmp_path, ether)

    assert snapshot(slots.path(SlotName.B)) == FILES
    assert (asked > 0, ether.asked - asked) == (True, 0)
