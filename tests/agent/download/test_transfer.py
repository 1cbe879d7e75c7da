"""What a place may do in the middle of an object, over real sockets: change it, forget it, send another size."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from backports import zstd

from surefoot_agent.download.places import Kind, Place, Places
from surefoot_agent.download.transfer import Transfer
from surefoot_agent.ports import Piece
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import digest_of
from tests.agent.download import sources
from tests.agent.download.certificates import make_pki
from tests.agent.download.devices import BLOBS, MODEL, NEW, B, Device, content, lease
from tests.agent.download.sources import Blobs, Request, serving
from tests.agent.trees import snapshot

MODEL_FRAME = digest_of(MODEL) + ".zst"
FRAMES = {digest_of(raw) + ".zst": zstd.compress(raw) for raw in NEW.values() if len(raw) > 4096}


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, old=False)


def is_filled(device: Device) -> bool:
    return snapshot(device.slots.path(B)) == NEW


def offsets(blobs: Blobs, name: str) -> list[int]:
    return [asked.offset for asked in blobs.asked if asked.sha256 == name]


def test_blobs_come_as_frames_where_a_source_has_them(device: Device) -> None:
    with serving(content(more=FRAMES)) as blobs:
        device.fill(lease(blobs, zstd=True))

    assert is_filled(device)
    assert {asked.sha256 for asked in blobs.asked} >= set(FRAMES)
    assert not {f"{asked.sha256}.zst" for asked in blobs.asked} & set(FRAMES)
    assert blobs.sent < sum(map(len, FRAMES.values())) + 1_000


@pytest.mark.slow
def test_a_source_without_frames_is_asked_for_the_blobs(device: Device) -> None:
    with serving(content()) as blobs:
        device.fill(lease(blobs, zstd=True))

    assert is_filled(device)


@pytest.mark.slow
@pytest.mark.parametrize("frame", [b"garbage" * 99, zstd.compress(MODEL[:-1]), zstd.compress(MODEL)[:-9], b""])
def test_a_frame_that_is_not_the_blob_is_done_without(device: Device, frame: bytes) -> None:
    with serving(content(more={**FRAMES, MODEL_FRAME: frame})) as blobs:
        device.fill(lease(blobs, zstd=True))

    assert is_filled(device)
    assert len(offsets(blobs, digest_of(MODEL))) == 1  # from where the frame ended, if it was right so far


@pytest.mark.slow
def test_a_frame_goes_on_where_it_stopped_also_after_a_death(tmp_path: Path) -> None:
    with serving(content(more=FRAMES), sources.closing_after(40_000)) as blobs:
        blobs.etag = '"one"'
        with pytest.raises(Unreachable):
            Device(tmp_path, old=False).fill(lease(blobs, zstd=True))
        blobs.trick = None
        first = blobs.asked[0].sha256 if blobs.asked[0].sha256 in FRAMES else blobs.asked[1].sha256
        again = Device(tmp_path, old=False)
        again.fill(lease(blobs, zstd=True))

    assert offsets(blobs, first) == [0, 40_000, 80_000, 120_000]
    assert is_filled(again)


def changing(after: int) -> sources.Trick:
    """Send so many bytes of one version and hang up; whoever comes back finds another version."""
    cut = sources.closing_after(after)

    def trick(request: Request) -> None:
        if request.sha256 not in seen:
            seen.add(request.sha256)
            request.blobs.etag = '"old"'
            cut(request)
        else:
            request.blobs.etag = '"new"'
            sources.honest(request)

    seen: set[str] = set()
    return trick


def test_a_frame_that_changed_in_the_middle_is_dropped_and_begun_anew(device: Device) -> None:
    with serving(content(more=FRAMES), changing(40_000)) as blobs:
        device.fill(lease(blobs, zstd=True))

    assert offsets(blobs, MODEL_FRAME) == [0, 40_000, 0]
    assert is_filled(device)


def test_a_blob_that_changed_in_the_middle_is_dropped_and_begun_anew(device: Device) -> None:
    with serving(content(), changing(40_000)) as blobs:
        device.fill(lease(blobs))

    assert offsets(blobs, digest_of(MODEL)) == [0, 40_000, 0]
    assert is_filled(device)


@pytest.mark.slow
def test_a_frame_of_an_absurd_size_is_not_taken(device: Device) -> None:
    def boastful(request: Request) -> None:
        if request.sha256.endswith(".zst"):
            request.head(200, Content_Length=1 << 40)
        else:
            sources.honest(request)

    with serving(content(), boastful) as blobs:
        device.fill(lease(blobs, zstd=True))

    assert is_filled(device)


def test_a_minted_address_that_expired_is_minted_anew_and_carries_no_token(tmp_path: Path) -> None:
    """The storage forgets what it signed; the second address works."""
    minted: list[str] = []

    def old_ones_are_refused(request: Request) -> None:
        (sources.honest if "?2" in request.path else sources.status(403))(request)

    with serving(BLOBS, old_ones_are_refused) as store, serving(content()) as server:
        store.content = {f"{name}?{n}": raw for name, raw in BLOBS.items() for n in (1, 2)}

        def mint(_lease: object, names: object, _over: object) -> dict[str, str]:
            minted.append("once")
            return {name: f"{store.url}{name}?{min(len(minted), 2)}" for name in names}  # type: ignore[attr-defined]

        device = Device(tmp_path, mint=mint, old=False)
        given = lease(server)
        device.fill(type(given)(given.assignment, given.sources, 60.0, mint_url="https://server/urls"))

    assert is_filled(device)
    assert {asked.authorization for asked in store.asked} == {None}
    assert len(minted) == 2
    assert server.asked == []


def test_where_addresses_are_minted_too_slowly_the_sources_bring_it_and_it_is_said(tmp_path: Path) -> None:
    def mint(_lease: object, names: object, _over: object) -> dict[str, str]:
        raise Unreachable("too_slow", "The server gave no whole answer within 20 s.")

    with serving(content()) as server:
        device = Device(tmp_path, mint=mint, old=False)
        given = lease(server)
        device.fill(type(given)(given.assignment, given.sources, 60.0, mint_url="https://server/urls"))

    assert is_filled(device)
    said = "No addresses of the object storage: The server gave no whole answer within 20 s. The sources are asked."
    assert device.said.count(said) == 1


def test_object_storage_has_its_certificate_from_whom_the_system_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, public = make_pki(tmp_path, "fleet"), make_pki(tmp_path, "public")
    monkeypatch.setenv("SSL_CERT_FILE", str(public.ca))
    with serving(BLOBS, tls=(public.certificate, public.key)) as store:
        device = Device(
            tmp_path, mint=lambda _lease, names, _over: {n: store.url + n for n in names}, old=False, ca=fleet.ca
        )
        device.fill(Lease("a-1", (), 60.0, mint_url="https://server/urls"))

        assert is_filled(device)
        with pytest.raises(Unreachable):  # where a token would be sent, the fleet's own authority alone counts
            Device(tmp_path / "other", old=False, ca=fleet.ca).fill(Lease("a-1", (Source(store.url, "token"),), 60.0))


@pytest.mark.slow
def test_a_place_on_the_site_is_not_slowed_down(tmp_path: Path) -> None:
    """The rate of a lease is for the uplink."""
    with serving(content()) as cache, serving(content()) as server:
        device = Device(tmp_path, caches=[Source(cache.url, "")], old=False)
        given = lease(server)
        device.fill(type(given)(given.assignment, given.sources, 60.0, rate_bytes_per_s=1_000))

    assert is_filled(device)
    assert server.asked == []


@pytest.mark.slow
def test_no_place_is_asked_beyond_the_end_of_the_lease_and_the_next_one_goes_on(device: Device) -> None:
    """A lease ends with its window, and with its share of the site's rate: also where no server sees the bytes."""
    with serving(content()) as cdn, serving(content()) as other:
        sources_of_both = lease(cdn, other).sources
        with pytest.raises(Unreachable) as ended:
            device.fill(Lease("a-1", sources_of_both, 0.8, rate_bytes_per_s=60_000))

        assert (ended.value.kind, ended.value.message) == ("lease_expired", "The lease ended.")
        assert other.asked == []
        device.fill(lease(cdn))

    assert is_filled(device)
    assert cdn.sent < sum(map(len, NEW.values())) + 150_000  # what came is kept; the rest of one answer was under way


@pytest.mark.slow
def test_a_silent_place_is_left_when_the_lease_ends(device: Device) -> None:
    with serving(content(), sources.silent) as blobs, pytest.raises(Unreachable) as ended:
        device.fill(Lease("a-1", lease(blobs).sources, 0.3))

    assert ended.value.kind == "lease_expired"


@pytest.mark.slow
def test_where_a_frame_has_no_room_on_its_way_the_blob_comes_straight_into_the_slot(tmp_path: Path) -> None:
    device = Device(tmp_path, old=False, reserve_bytes=1 << 60)
    with serving(content(more=FRAMES)) as blobs:
        device.fill(lease(blobs, zstd=True))

    assert is_filled(device)
    assert not {asked.sha256 for asked in blobs.asked} & set(FRAMES)


def test_a_cache_that_never_ends_its_answer_holds_nobody_who_brings_it_something() -> None:
    stopped = threading.Event()

    def dripping(request: Request) -> None:
        stopped.set()
        sources.trickling_head(request)

    with serving({}, dripping) as cache:
        place = Place(Kind.CACHE, Source(cache.url, ""))
        Transfer(None).bring(place, digest_of(MODEL), len(MODEL), iter([MODEL]), stopped.is_set)

        assert stopped.is_set()


def test_a_redirect_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    transfer, name = Transfer(None), digest_of(MODEL)
    with serving(BLOBS) as elsewhere:
        with serving(BLOBS, sources.status(307, Location=elsewhere.url + name)) as blobs:
            places = Places(lease(blobs))

            def fetch(place: Place) -> None:
                list(transfer.chunks(place, None, Piece("m", name, len(MODEL), 0, len(MODEL)), 0, lambda: False))

            with pytest.raises(Unreachable, match="redirect"):
                transfer.from_any(places, name, "m", fetch, lambda: False)
        assert elsewhere.asked == []


def test_what_is_the_devices_own_is_not_blamed_on_the_next_place(tmp_path: Path) -> None:
    def fetch(place: Place) -> None:
        asked.append(place)
        raise InstallFailed("no_space", "full")

    asked: list[Place] = []
    places = Places(lease(Blobs({}, url="http://one/"), Blobs({}, url="http://two/")))
    with pytest.raises(InstallFailed, match="full"):
        Transfer(None).from_any(places, "n", "n", fetch, lambda: False)

    assert [place.kind for place in asked] == [Kind.SOURCE]
