"""A device with an old release in slot A and a new one begun in slot B, that downloads with all that it may use."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from surefoot_agent.download.beside import Beside, no_caches
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.download.places import Mint
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.unpack import Unpacker
from surefoot_agent.ports import Slots, Wish
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.messages import Lease, Pack, Source
from surefoot_shared.release import Manifest, digest_of, manifest_bytes, note_of
from surefoot_shared.status import Intent, SlotName
from tests.agent.download.sources import Blobs
from tests.agent.download.unpacking import MadePack, packed, patched, plain
from tests.agent.trees import install, release

A, B = SlotName.A, SlotName.B
DICE = random.Random(11)
LIBRARY, MODEL = DICE.randbytes(200_000), DICE.randbytes(120_000)
OLD = {"bin/camera": b"old program", "lib/one.so": LIBRARY, "lib/two.so": LIBRARY[::-1], "same": b"unchanged" * 99}
NEW = {
    "bin/camera": b"new program",
    "lib/one.so": LIBRARY[:90_000] + b"patched" + LIBRARY[90_000:],
    "lib/two.so": LIBRARY[::-1][:-500] + b"and this",
    "model.bin": MODEL,
    "model copy.bin": MODEL,
    "same": OLD["same"],
}
OLD_MANIFEST, MANIFEST = release(OLD, "1.0", ["bin/camera"]), release(NEW, "2.0", ["bin/camera"])
RAW = manifest_bytes(MANIFEST)
BLOBS = {digest_of(content): content for content in [*NEW.values(), RAW]}
FROM, TO = digest_of(manifest_bytes(OLD_MANIFEST)), digest_of(RAW)
NUMBER = {path: number for number, path in enumerate(NEW)}
OLD_NUMBER = {path: number for number, path in enumerate(OLD)}


def delta(**patches: bytes) -> MadePack:
    """The pack from the old release; `patches` take the place of those of lib/one.so and lib/two.so (one, two)."""
    return packed(
        [
            plain(NUMBER["bin/camera"], NEW["bin/camera"]),
            *(
                patched(NUMBER[path], OLD[path], NEW[path], OLD_NUMBER[path], patch=patches.get(path.split("/")[1][:3]))
                for path in ("lib/one.so", "lib/two.so")
            ),
            plain(NUMBER["model.bin"], MODEL),
        ],
        to=TO,
        start=FROM,
    )


def whole() -> MadePack:
    """The whole release, whatever the device holds."""
    return packed([plain(NUMBER[path], NEW[path]) for path in NEW if path != "model copy.bin"], to=TO, start="")


def wish(manifest: Manifest = MANIFEST) -> Wish:
    raw = manifest_bytes(manifest)
    return Wish("a-1", "app", 1, Intent.UPDATE, digest_of(raw), len(raw), note_of(manifest))


def lease(*blobs: Blobs, packs: Sequence[Pack] = (), zstd: bool = False, wait_s: float = 0.0) -> Lease:
    found = tuple(each.source() for each in blobs)
    return Lease("a-1", found, 60.0, packs=tuple(packs), encodings=("zstd",) if zstd else (), wait_s=wait_s)


def content(*made: MadePack, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """What a source holds: every blob, and these packs."""
    return {**BLOBS, **{each.offer.sha256: each.raw for each in made}, **(more or {})}


class Device:
    """One in a `hurry` leaves bad sources within a second, and on a busy machine good ones too."""

    def __init__(
        self, root: Path, caches: Sequence[Source] = (), mint: Mint | None = None, slots: Slots | None = None,
        reserve_bytes: int = 0, old: bool = True, ca: Path | None = None, hurry: bool = False,
    ) -> None:  # fmt: skip
        self.slots: Slots = slots or self._slots(root, old)
        spool, self.unpacker = Spool(root / "fetch", reserve_bytes), Unpacker(cpu_s=2)
        beside = Beside(spool, self.unpacker, (lambda: caches) if caches else no_caches, mint)
        pacing, patience_s = (Pacing(20_000, 0.4), 0.5) if hurry else (Pacing(20_000, 10.0), 20.0)
        self.downloader = HttpDownloader(self.slots, ca, pacing, patience_s, patience_s, beside)
        self.said: list[str] = []
        self.stopped = threading.Event()
        self.spool_folder = root / "fetch"

    def _slots(self, root: Path, old: bool) -> DirectorySlots:
        slots = DirectorySlots(root / "app")
        if old and slots.digest(A) is None:
            install(slots, A, OLD_MANIFEST, OLD)
        slots.begin(B, MANIFEST, RAW)
        return slots

    def fill(self, given: Lease, manifest: Manifest = MANIFEST) -> None:
        self.downloader.fill(wish(manifest), manifest, B, given, lambda *_: None, self.stopped.is_set, self.said.append)
        self.slots.seal(B)
