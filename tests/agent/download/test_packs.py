"""Slots filled from packs over real sockets, by good packs and by bad ones."""

from __future__ import annotations

import os
from pathlib import Path

import hdiffpatch
import pytest

from surefoot_agent.download.air import Air, Take
from surefoot_agent.download.packs import PackFiller
from surefoot_agent.download.places import Places
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.transfer import Transfer
from surefoot_agent.ports import never
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Lease, Pack
from surefoot_shared.release import digest_of
from tests.agent.download import sources
from tests.agent.download.devices import MODEL, NEW, OLD, RAW, B, Device, content, delta, lease, whole
from tests.agent.download.sources import Asked, Blobs, serving
from tests.agent.download.unpacking import ENCODE, MadePack, packed, plain
from tests.agent.trees import snapshot

DELTA, WHOLE = delta(), whole()


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def names(blobs: Blobs) -> list[str]:
    return [asked.sha256 for asked in blobs.asked]


def is_filled(device: Device) -> bool:
    return snapshot(device.slots.path(B)) == NEW and not list(device.spool_folder.glob("*"))


def test_what_changed_comes_in_one_pack(device: Device) -> None:
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer, WHOLE.offer]))

    assert names(blobs) == [DELTA.offer.sha256]
    assert is_filled(device)
    assert device.said[0].startswith(f"It fetches about {len(DELTA.raw) / 1000:.1f} kB")
    assert device.said[-1] == f"Fetched {len(DELTA.raw)} bytes from the sources."


def test_a_device_that_holds_nothing_takes_the_packs_of_the_whole(tmp_path: Path) -> None:
    device = Device(tmp_path, old=False)
    with serving(content(DELTA, WHOLE)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer, WHOLE.offer]))

    assert names(blobs) == [WHOLE.offer.sha256]
    assert is_filled(device)


@pytest.mark.slow
def test_a_target_may_go_on_in_the_next_pack(device: Device) -> None:
    first = packed([plain(3, MODEL[:50_000])], to=WHOLE.offer.to_digest)
    second = packed([plain(3, MODEL[50_000:], at=50_000)], to=WHOLE.offer.to_digest)
    with serving(content(first, second)) as blobs:
        device.fill(lease(blobs, packs=[first.offer, second.offer]))

    assert names(blobs)[:2] == [first.offer.sha256, second.offer.sha256]
    assert digest_of(MODEL) not in names(blobs)
    assert is_filled(device)


@pytest.mark.slow
def test_a_pack_goes_on_where_it_stopped_after_a_death(tmp_path: Path) -> None:
    with serving(content(DELTA), sources.closing_after(30_000)) as blobs:
        with pytest.raises(Unreachable):
            Device(tmp_path).fill(lease(blobs, packs=[DELTA.offer]))
        blobs.trick = None
        again = Device(tmp_path)
        again.fill(lease(blobs, packs=[DELTA.offer]))

    assert [asked.offset for asked in blobs.asked] == [0, 30_000, 60_000, 90_000]
    assert is_filled(again)


@pytest.mark.slow
def test_a_pack_that_was_used_up_before_a_death_is_not_fetched_again(tmp_path: Path) -> None:
    first = packed([plain(path, NEW[list(NEW)[path]]) for path in (0, 1)], to=WHOLE.offer.to_digest)
    second = packed([plain(path, NEW[list(NEW)[path]]) for path in (2, 3, 5)], to=WHOLE.offer.to_digest)
    packs = [first.offer, second.offer]

    def cut(request: sources.Request) -> None:
        (sources.honest if request.sha256 == first.offer.sha256 else sources.closing_after(30_000))(request)

    with serving(content(first, second), cut) as blobs:
        with pytest.raises(Unreachable):
            Device(tmp_path, old=False).fill(lease(blobs, packs=packs))
        blobs.trick = None
        again = Device(tmp_path, old=False)
        again.fill(lease(blobs, packs=packs))

    asked = [asked.offset for asked in blobs.asked if asked.sha256 == second.offer.sha256]
    assert names(blobs).count(first.offer.sha256) == 1
    assert asked == list(range(0, asked[-1] + 1, 30_000))
    assert is_filled(again)


@pytest.mark.slow
def test_what_one_source_brought_of_a_pack_is_not_asked_of_the_next(device: Device) -> None:
    with serving(content(DELTA), sources.closing_after(9_000)) as first, serving(content(DELTA)) as second:
        device.fill(lease(first, second, packs=[DELTA.offer]))

    assert [asked.offset for asked in second.asked] == [27_000]
    assert is_filled(device)


@pytest.mark.slow
def test_a_beginning_that_a_power_cut_spoiled_is_fetched_again(device: Device) -> None:
    device.spool_folder.mkdir()
    (device.spool_folder / DELTA.offer.sha256).write_bytes(bytes(10_000))
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, blobs, packs=[DELTA.offer]))

    assert [asked.offset for asked in blobs.asked] == [10_000, 0]
    assert is_filled(device)


def spoilt(made: MadePack, raw: bytes) -> MadePack:
    offer = made.offer
    return MadePack(
        raw, Pack(offer.from_digest, offer.to_digest, digest_of(raw), len(raw), offer.encoding, offer.decoded_bytes)
    )


def lying(made: MadePack, to: str) -> MadePack:
    offer = made.offer
    return MadePack(
        made.raw, Pack(offer.from_digest, to, offer.sha256, offer.size_bytes, offer.encoding, offer.decoded_bytes)
    )


BAD = {
    "garbage": spoilt(DELTA, os.urandom(3000)),
    "truncated": spoilt(DELTA, DELTA.raw[: len(DELTA.raw) // 2]),
    "empty": spoilt(DELTA, ENCODE[DELTA.offer.encoding](b"")),
    "a patch of garbage": delta(one=b"garbage"),
    "a patch that makes other bytes": delta(two=hdiffpatch.diff(OLD["lib/two.so"], NEW["lib/two.so"][::-1])),
    "a patch against another base": delta(one=hdiffpatch.diff(OLD["lib/two.so"], NEW["lib/one.so"])),
    "wrong bytes in the middle": packed(
        [plain(0, NEW["bin/camera"]), plain(1, os.urandom(len(NEW["lib/one.so"]))), plain(3, MODEL)],
        to=DELTA.offer.to_digest,
        start=DELTA.offer.from_digest,
    ),
    "numbers that no manifest has": packed([plain(77, b"x")], to=DELTA.offer.to_digest, start=DELTA.offer.from_digest),
    "only the end of a file": packed(
        [plain(3, MODEL[9:], at=9)], to=DELTA.offer.to_digest, start=DELTA.offer.from_digest
    ),
    "another release than offered": lying(WHOLE, "f" * 64),
}


@pytest.mark.slow  # a few tenths of a second each, and twenty of them
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("also_whole", [True, False], ids=["a good pack too", "nothing but files besides"])
def test_a_bad_pack_is_a_source_that_failed_and_the_next_way_is_taken(
    device: Device, name: str, also_whole: bool
) -> None:
    bad = BAD[name]
    packs = [bad.offer, WHOLE.offer] if also_whole else [bad.offer]
    with serving(content(bad, WHOLE)) as blobs:
        device.fill(lease(blobs, packs=packs))

    assert is_filled(device)


def test_what_a_half_bad_pack_brought_is_not_fetched_again(device: Device) -> None:
    bad = BAD["wrong bytes in the middle"]
    with serving(content(bad)) as blobs:
        device.fill(lease(blobs, packs=[bad.offer]))

    assert set(names(blobs)) == {bad.offer.sha256, digest_of(NEW["lib/one.so"]), digest_of(NEW["lib/two.so"])}
    assert any("signed hash" in sentence for sentence in device.said)


@pytest.mark.slow
@pytest.mark.parametrize("trick", [sources.status(404), sources.garbage, sources.status(500), sources.trickling])
def test_a_pack_that_no_source_brings_is_done_without(tmp_path: Path, trick: sources.Trick) -> None:
    device = Device(tmp_path, hurry=True)

    def without_packs(request: sources.Request) -> None:
        (trick if request.sha256 == DELTA.offer.sha256 else sources.honest)(request)

    with serving(content(DELTA), without_packs) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer]))

    assert is_filled(device)


@pytest.mark.slow
def test_where_there_is_no_room_for_a_pack_it_is_done_without(tmp_path: Path) -> None:
    device = Device(tmp_path, reserve_bytes=1 << 60)
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer]))

    assert DELTA.offer.sha256 not in names(blobs)
    assert is_filled(device)
    assert "no room" in device.said[0]


@pytest.mark.slow
def test_what_is_on_its_way_is_dropped_when_the_attempt_is_over(tmp_path: Path) -> None:
    device = Device(tmp_path)
    with serving(content(DELTA), sources.closing_after(30_000)) as blobs, pytest.raises(Unreachable):
        device.fill(lease(blobs, packs=[DELTA.offer]))
    assert list(device.spool_folder.iterdir())

    device.downloader.forget()

    assert not list(device.spool_folder.iterdir())


@pytest.mark.slow
def test_what_a_death_left_beside_a_slot_that_was_full_is_dropped(device: Device) -> None:
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer]))
    (device.spool_folder / DELTA.offer.sha256).write_bytes(DELTA.raw)

    device.fill(lease())

    assert is_filled(device)


@pytest.mark.slow
def test_the_old_slot_is_read_and_never_written(device: Device) -> None:
    before = snapshot(device.slots.path(B.other))
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer]))

    assert snapshot(device.slots.path(B.other)) == before


@pytest.mark.slow
def test_an_old_slot_that_rotted_costs_a_download_and_not_the_update(device: Device) -> None:
    rotten = device.slots.path(B.other) / "lib/one.so"
    rotten.chmod(0o644)
    rotten.write_bytes(bytes(len(OLD["lib/one.so"])))
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer]))

    assert is_filled(device)


@pytest.mark.slow
def test_it_begins_no_sooner_than_the_lease_says(device: Device) -> None:
    class Stopping(list[str]):
        def append(self, sentence: str) -> None:
            super().append(sentence)
            device.stopped.set()

    device.said = Stopping()
    with serving(content(DELTA)) as blobs:
        with pytest.raises(InstallFailed):
            device.fill(lease(blobs, packs=[DELTA.offer], wait_s=5.0))

        assert device.said == ["It begins in 5 s, so that not every device begins at once."]
        assert blobs.asked == []


@pytest.mark.slow
def test_a_source_is_asked_once_for_what_it_has(device: Device) -> None:
    with serving(content(DELTA)) as blobs:
        device.fill(lease(blobs, packs=[DELTA.offer]))

    assert blobs.asked == [Asked(DELTA.offer.sha256, 0, None)]
    assert blobs.sent == len(DELTA.raw)
    assert len(DELTA.raw) < len(RAW) + sum(map(len, NEW.values())) // 3


class Unheard:
    """A broker that nobody answers on."""

    asked = 0

    def listen(self, sha256: str, take: Take) -> None: ...
    def deafen(self, sha256: str) -> None: ...
    def publish(self, what: str, payload: bytes) -> bool:
        self.asked += 1
        return True


@pytest.mark.slow
def test_the_broker_is_not_listened_to_beyond_the_end_of_the_lease(tmp_path: Path) -> None:
    device, air, given = Device(tmp_path), Air("cam-1", silence_s=20.0), Lease("a-1", (), 0.3, chunk_bytes=1024)
    air.attach(Unheard())
    transfer, spool = Transfer(None), Spool(tmp_path / "fetch")
    transfer.under(given)
    filler = PackFiller(device.slots, transfer, spool, device.unpacker, air)

    with spool.object(DELTA.offer.sha256) as held, pytest.raises(Unreachable) as ended:
        filler.bring("a pack", DELTA.offer.sha256, len(DELTA.raw), Places(given), held, never)

    assert (ended.value.kind, ended.value.message) == ("lease_expired", "The lease ended.")


def test_what_has_no_room_on_its_way_is_not_asked_for_over_mqtt(tmp_path: Path) -> None:
    device, ether, air = Device(tmp_path), Unheard(), Air("cam-1")
    air.attach(ether)
    spool, given = Spool(tmp_path / "fetch", 1 << 60), Lease("a-1", (), 60.0, chunk_bytes=1024)
    filler = PackFiller(device.slots, Transfer(None), spool, device.unpacker, air)

    with spool.object(DELTA.offer.sha256) as held, pytest.raises(InstallFailed) as refused:
        filler.bring("a pack", DELTA.offer.sha256, len(DELTA.raw), Places(given), held, never)

    assert (refused.value.kind, ether.asked) == ("no_space", 0)
