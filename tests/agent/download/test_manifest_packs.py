"""The manifest: as a patch of the one that is here, else whole; as robust as any file, nothing but its hash counts."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import hdiffpatch
import pytest

from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Lease, Pack
from surefoot_shared.release import digest_of, manifest_bytes
from tests.agent.download import sources
from tests.agent.download.devices import FROM, OLD_MANIFEST, RAW, TO, A, Device, content, lease, wish
from tests.agent.download.sources import Blobs, Request, serving
from tests.agent.download.unpacking import MadePack, packed, patched, plain

OLD_RAW = manifest_bytes(OLD_MANIFEST)
PATCH = packed([patched(0, OLD_RAW, RAW)], to=TO, start=FROM)
WHOLE = packed([plain(0, RAW)], to=TO, start="")


def offering(blobs: Blobs, *made: MadePack) -> Lease:
    given = lease(blobs)
    return Lease(given.assignment, given.sources, given.valid_s, manifest_packs=tuple(each.offer for each in made))


def asked(blobs: Blobs) -> list[str]:
    return [each.sha256 for each in blobs.asked]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_the_manifest_is_made_of_the_one_that_is_here(device: Device) -> None:
    with serving(content(PATCH, WHOLE)) as blobs:
        raw = device.downloader.manifest(wish(), offering(blobs, PATCH, WHOLE))

    assert (raw, asked(blobs)) == (RAW, [PATCH.offer.sha256])
    assert not list(device.spool_folder.glob("*"))
    assert len(PATCH.raw) < len(RAW)


def test_a_device_that_holds_nothing_takes_it_compressed(tmp_path: Path) -> None:
    device = Device(tmp_path, old=False)
    with serving(content(PATCH, WHOLE)) as blobs:
        raw = device.downloader.manifest(wish(), offering(blobs, PATCH, WHOLE))

    assert (raw, asked(blobs)) == (RAW, [WHOLE.offer.sha256])


def test_a_manifest_that_says_more_than_this_agent_reads_is_a_base_like_any_other(tmp_path: Path) -> None:
    told = json.dumps({**json.loads(OLD_RAW), "what_a_later_server_says": 1}).encode()
    device = Device(tmp_path)
    device.slots.begin(A, OLD_MANIFEST, told)
    device.slots.seal(A)
    patch = packed([patched(0, told, RAW)], to=TO, start=digest_of(told))

    with serving(content(patch)) as blobs:
        raw = device.downloader.manifest(wish(), offering(blobs, patch))

    assert (raw, asked(blobs)) == (RAW, [patch.offer.sha256])


def offered(raw: bytes) -> Pack:
    return replace(PATCH.offer, sha256=digest_of(raw), size_bytes=len(raw))


BAD = {
    "makes another manifest": packed([patched(0, OLD_RAW, RAW[::-1])], to=TO, start=FROM),
    "is garbage": packed([patched(0, OLD_RAW, RAW, patch=b"garbage")], to=TO, start=FROM),
    "makes another size": packed([patched(0, OLD_RAW, RAW[:-1])], to=TO, start=FROM),
    "is no archive": MadePack(b"garbage" * 9, offered(b"garbage" * 9)),
    "is cut short": MadePack(PATCH.raw[:60], offered(PATCH.raw[:60])),
    "is of a part": packed([plain(0, RAW[:40]), plain(1, RAW[40:])], to=TO, start=FROM),
    "reads what is not there": packed(
        [patched(0, OLD_RAW * 2, RAW, patch=hdiffpatch.diff(OLD_RAW, RAW, "none"))], to=TO, start=FROM
    ),
}


@pytest.mark.parametrize("bad", list(BAD.values()), ids=list(BAD))
def test_a_pack_that_does_not_make_it_costs_itself(device: Device, bad: MadePack) -> None:
    with serving(content(bad)) as blobs:
        raw = device.downloader.manifest(wish(), offering(blobs, bad))

    assert raw == RAW
    assert asked(blobs)[-1] == digest_of(RAW)
    assert not list(device.spool_folder.glob("*"))


def test_a_pack_that_is_not_there_costs_a_question(device: Device) -> None:
    with serving(content()) as blobs:
        raw = device.downloader.manifest(wish(), offering(blobs, PATCH))

    assert (raw, asked(blobs)) == (RAW, [PATCH.offer.sha256, digest_of(RAW)])


@pytest.mark.parametrize(
    "offer",
    [
        packed([patched(0, OLD_RAW, RAW)], to="c" * 64, start=FROM),
        packed([patched(0, OLD_RAW, RAW)], to=TO, start="d" * 64),
    ],
    ids=["to another release", "from one that is not here"],
)
def test_an_offer_for_others_is_passed_over(device: Device, offer: MadePack) -> None:
    with serving(content(offer)) as blobs:
        device.downloader.manifest(wish(), offering(blobs, offer))

    assert asked(blobs) == [digest_of(RAW)]


def test_a_lease_that_ended_is_asked_for_anew_and_not_worked_around(device: Device) -> None:
    with serving(content(PATCH), sources.status(401)) as blobs, pytest.raises(Unreachable) as refused:
        device.downloader.manifest(wish(), offering(blobs, PATCH))

    assert refused.value.kind == "lease_expired"
    assert asked(blobs) == [PATCH.offer.sha256]


# --- the manifest itself, through bad lines


PART = len(RAW) // 5 + 1
OFFERS = {"whole": (), "as a pack": (WHOLE,)}


def test_a_line_that_breaks_every_time_costs_no_byte_twice_and_a_death_neither(tmp_path: Path) -> None:
    with serving(content(), sources.closing_after(PART)) as blobs:
        with pytest.raises(Unreachable):
            Device(tmp_path, old=False).downloader.manifest(wish(), lease(blobs))
        raw = Device(tmp_path, old=False).downloader.manifest(wish(), lease(blobs))

    assert raw == RAW
    assert [each.offset for each in blobs.asked] == [n * PART for n in range(5)]


@pytest.mark.slow
@pytest.mark.parametrize("made", list(OFFERS.values()), ids=list(OFFERS))
def test_a_source_that_trickles_in_its_middle_is_left_for_the_next(tmp_path: Path, made: tuple[MadePack, ...]) -> None:
    def slow(request: Request) -> None:
        body = request.body()
        request.head(200, Content_Length=len(body))
        request.wfile.write(body[: len(body) // 3])
        for at in range(len(body) // 3, len(body)):
            request.wfile.write(body[at : at + 1])
            threading.Event().wait(0.01)

    with serving(content(*made), slow) as bad, serving(content(*made)) as good:
        given = offering(bad, *made)
        both = Lease(given.assignment, (bad.source(), good.source()), 60.0, manifest_packs=given.manifest_packs)
        raw = Device(tmp_path, old=False, hurry=True).downloader.manifest(wish(), both)

    assert raw == RAW
    assert good.asked


def test_an_address_that_expires_in_its_middle_is_minted_anew(tmp_path: Path) -> None:
    minted: list[str] = []

    def expiring(request: Request) -> None:
        if "?1" in request.path and len(store.asked) > 1:
            sources.status(403)(request)
        else:
            (sources.closing_after(PART) if "?1" in request.path else sources.honest)(request)

    def mint(_lease: object, names: object, _over: object) -> dict[str, str]:
        minted.append("once")
        return {name: f"{store.url}{name}?{len(minted)}" for name in names}  # type: ignore[attr-defined]

    with serving(content(), expiring) as store:
        store.content |= {f"{name}?{n}": raw for name, raw in content().items() for n in (1, 2)}
        device = Device(tmp_path, mint=mint, old=False)
        raw = device.downloader.manifest(wish(), Lease("a-1", (), 60.0, mint_url="https://server/urls"))

    assert raw == RAW
    assert [each.offset for each in store.asked] == [0, PART, PART]
    assert len(minted) == 2


def test_a_stop_ends_it_at_once_whatever_the_socket_does(device: Device) -> None:
    stopped = threading.Event()

    def silent(request: Request) -> None:
        stopped.set()
        sources.silent(request)

    with serving(content(), silent) as blobs, pytest.raises(InstallFailed) as ended:
        device.downloader.manifest(wish(), lease(blobs), stopped.is_set)

    assert ended.value.kind == "cancelled_by_order"


def test_one_that_changes_in_its_middle_is_begun_anew(device: Device) -> None:
    def changing(request: Request) -> None:
        blobs.etag = f'"{min(len(blobs.asked), 2)}"'
        (sources.closing_after(PART) if len(blobs.asked) == 1 else sources.honest)(request)

    with serving(content(), changing) as blobs:
        assert device.downloader.manifest(wish(), lease(blobs)) == RAW

    assert [each.offset for each in blobs.asked] == [0, PART, 0]
    assert not list(device.spool_folder.glob("*"))


@pytest.mark.parametrize("again", [False, True], ids=["one lies and the next is honest", "all of it was a lie"])
def test_what_a_liar_brought_of_it_is_not_held_against_the_next(device: Device, again: bool) -> None:
    """Half a manifest of garbage in the spool, or a whole one, as a liar or a rotten medium leaves it."""
    device.spool_folder.mkdir()
    (device.spool_folder / TO).write_bytes(RAW[::-1][: None if again else PART])
    with serving(content()) as blobs:
        assert device.downloader.manifest(wish(), lease(blobs)) == RAW

    assert [each.offset for each in blobs.asked] == ([0] if again else [PART, 0])


def test_without_room_for_it_in_the_spool_it_comes_at_once(tmp_path: Path) -> None:
    device = Device(tmp_path, old=False, reserve_bytes=1 << 60)
    with serving(content(WHOLE)) as blobs:
        assert device.downloader.manifest(wish(), offering(blobs, WHOLE)) == RAW

    assert asked(blobs) == [digest_of(RAW)]
    assert not device.spool_folder.exists()
