"""An image slot filled over the network: few requests, only what is missing, and no block fetched twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot_agent.download import local
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.ports import Wish
from surefoot_agent.slots import image
from surefoot_agent.slots.image import ImageSlots
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import note_of
from surefoot_shared.status import Intent, SlotName
from tests.agent.download import sources
from tests.agent.download.sources import Blobs, serving
from tests.agent.images import BLOCK, CHUNK_BLOCKS, MadeImage, image_release, install, two_devices

A, B = SlotName.A, SlotName.B
CHUNK = BLOCK * CHUNK_BLOCKS
NOISE = random.Random(3).randbytes(6 * CHUNK)
IMAGE = image_release(NOISE[: 3 * CHUNK] + bytes(2 * CHUNK) + NOISE[3 * CHUNK : 3 * CHUNK + 512])
CONTENT = {**IMAGE.blobs, IMAGE.digest: IMAGE.raw}
INDEX = IMAGE.manifest.image.index()  # type: ignore[union-attr]
SECOND = INDEX.blob(1).sha256


class Device:
    """Image slots with an installation begun in B, and a downloader in a hurry."""

    def __init__(self, root: Path, made: MadeImage = IMAGE) -> None:
        self.made = made
        devices = {slot: root / "dev" / f"slot-{slot.value.lower()}" for slot in SlotName}
        if not devices[A].exists():
            devices = two_devices(root / "dev", 10 * CHUNK)
        self.slots = ImageSlots(root / "rootfs", devices)
        self.downloader = HttpDownloader(self.slots, None, Pacing(20_000, 0.4), 0.5, 0.5)
        self.told: list[tuple[int, int]] = []
        self.stopped = threading.Event()

    def fill(self, *given: Blobs | Source) -> None:
        found = tuple(b.source() if isinstance(b, Blobs) else b for b in given)
        lease = Lease("a-1", found, valid_s=60.0)
        wish = Wish(
            "a-1", "rootfs", 1, Intent.UPDATE, self.made.digest, len(self.made.raw), note_of(self.made.manifest)
        )
        raw = self.downloader.manifest(wish, lease)
        self.slots.begin(B, self.made.manifest, raw)
        self.downloader.fill(
            wish, self.made.manifest, B, lease, lambda have, total: self.told.append((have, total)), self.stopped.is_set
        )
        self.slots.seal(B)

    def fails(self, *given: Blobs | Source) -> SurefootError:
        with pytest.raises((Unreachable, InstallFailed)) as caught:
            self.fill(*given)
        return caught.value

    @property
    def whole(self) -> bool:
        return self.slots.path(B).read_bytes()[: len(self.made.content)] == self.made.content


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def asked(blobs: Blobs, sha256: str = SECOND) -> Sequence[tuple[int, int | None]]:
    return [(a.offset, a.end) for a in blobs.asked if a.sha256 == sha256]


def test_a_slot_is_filled_with_one_request_a_chunk_and_one_for_the_first_block(device: Device) -> None:
    with serving(CONTENT) as blobs:
        device.fill(blobs)

    requests = Counter(a.sha256 for a in blobs.asked)
    assert device.whole
    assert requests == {
        IMAGE.digest: 1,
        INDEX.blob(0).sha256: 2,
        SECOND: 1,
        **{INDEX.blob(n).sha256: 1 for n in (2, 5)},
    }
    assert asked(blobs, INDEX.blob(0).sha256) == [(BLOCK, None), (0, BLOCK)]


def test_progress_rises_to_the_whole(device: Device) -> None:
    with serving(CONTENT) as blobs:
        device.fill(blobs)

    assert device.told == sorted(device.told)
    assert device.told[-1] == (len(IMAGE.content), len(IMAGE.content))


def test_only_the_blocks_that_changed_are_asked_for(tmp_path: Path) -> None:
    changed = bytearray(IMAGE.content)
    changed[CHUNK + BLOCK + 7] ^= 1
    new = image_release(bytes(changed), "2.0")
    device = Device(tmp_path, new)
    install(device.slots, A, IMAGE)

    with serving({**new.blobs, new.digest: new.raw}) as blobs:
        device.fill(blobs)

    (request,) = [a for a in blobs.asked if a.sha256 != new.digest]
    assert (request.offset, request.end) == (BLOCK, 2 * BLOCK)
    assert device.whole


def test_a_connection_cut_within_a_chunk_goes_on_at_the_block_that_was_torn(device: Device) -> None:
    cut = sources.closing_after(2 * BLOCK + 100)

    with serving(
        CONTENT, lambda request: (sources.honest if request.sha256 == IMAGE.digest else cut)(request)
    ) as blobs:
        device.fill(blobs)

    assert asked(blobs) == [(0, None), (2 * BLOCK, None)]
    assert device.whole


def test_what_one_source_brought_is_not_asked_of_the_next(device: Device) -> None:
    def liar(request: sources.Request) -> None:
        """Right up to the third block of the second chunk."""
        body = bytearray(request.body())
        if request.sha256 == SECOND:
            body[2 * BLOCK] ^= 1
        request.head(200, Content_Length=len(body))
        request.wfile.write(body)

    with serving(CONTENT, liar) as first, serving(CONTENT) as second:
        device.fill(first, second)

    assert asked(second) == [(2 * BLOCK, None)]
    assert device.whole


@pytest.mark.parametrize("noted", ["because the source went away", "because enough was written"])
def test_what_was_noted_before_the_process_died_is_not_fetched_again(
    tmp_path: Path, noted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = INDEX.blob(2).sha256
    failing = sources.status(500) if "source" in noted else sources.status(404)
    monkeypatch.setattr(image, "NOTE_BYTES", BLOCK if "enough" in noted else 1 << 30)

    def dies(request: sources.Request) -> None:
        (failing if request.sha256 == third else sources.honest)(request)

    with serving(CONTENT, dies) as blobs:
        Device(tmp_path).fails(blobs)
        blobs.trick = None
        blobs.asked.clear()
        again = Device(tmp_path)
        again.fill(blobs)

    fetched = {a.sha256 for a in blobs.asked}
    assert again.whole
    assert third in fetched
    assert SECOND not in fetched


def test_a_source_without_ranges_still_fills_the_slot(device: Device) -> None:
    with serving(CONTENT, sources.without_ranges) as blobs:
        device.fill(blobs)

    assert device.whole


def test_a_source_that_ignores_the_end_of_a_range_is_left_in_time(device: Device) -> None:
    def open_ended(request: sources.Request) -> None:
        request.end = None
        sources.honest(request)

    with serving(CONTENT, open_ended) as blobs:
        device.fill(blobs)

    assert device.whole


@pytest.mark.parametrize(
    ("trick", "kind"),
    [(sources.garbage, "artifact_corrupt"), (sources.status(404), "artifact_missing"), (sources.silent, "too_slow")],
)
def test_a_bad_source_leaves_nothing_that_could_be_booted(device: Device, trick: sources.Trick, kind: str) -> None:
    def bad(request: sources.Request) -> None:
        (sources.honest if request.sha256 == IMAGE.digest else trick)(request)

    with serving(CONTENT, bad) as blobs:
        assert device.fails(blobs).kind == kind

    assert device.slots.path(B).read_bytes()[:BLOCK] == bytes(BLOCK)
    with serving(CONTENT) as blobs:
        device.fill(blobs)
    assert device.whole


def test_a_stop_is_obeyed_between_two_pieces(device: Device) -> None:
    device.stopped.set()
    with serving(CONTENT) as blobs:
        assert device.fails(blobs).kind == "cancelled_by_order"

    assert {a.sha256 for a in blobs.asked} == {IMAGE.digest}


def test_an_image_is_installed_from_a_medium_and_the_network_brings_what_it_lacks(
    tmp_path: Path, device: Device
) -> None:
    folder = tmp_path / "usb stick"
    (folder / "blobs").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(IMAGE.raw)
    for name, raw in IMAGE.blobs.items():
        (folder / "blobs" / name).write_bytes(raw)
    (folder / "blobs" / SECOND).write_bytes(IMAGE.blobs[SECOND][::-1])
    stick = local.source_of(folder)
    assert stick is not None

    with serving(CONTENT) as blobs:
        device.fill(stick, blobs)

    assert {a.sha256 for a in blobs.asked} == {SECOND}
    assert device.whole
