from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.pace import Pacing
from surefoot_agent.ports import Wish
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import Manifest, digest_of, manifest_bytes, note_of
from surefoot_shared.status import Intent, SlotName
from tests.agent.download import sources
from tests.agent.download.certificates import make_pki
from tests.agent.download.sources import Blobs, serving
from tests.agent.trees import install, release, snapshot

A, B = SlotName.A, SlotName.B
FILES = {"bin/camera": os.urandom(3_000), "lib/model.bin": os.urandom(300_000), "empty": b""}
MANIFEST = release(FILES, "2.0", ["bin/camera"])
RAW = manifest_bytes(MANIFEST)
CONTENT = {digest_of(c): c for c in [*FILES.values(), RAW]}
MODEL = digest_of(FILES["lib/model.bin"])


def lease(*blobs: Blobs | Source, rate: int | None = None) -> Lease:
    found = tuple(b.source() if isinstance(b, Blobs) else b for b in blobs)
    return Lease("a-1", found, valid_s=60.0, rate_bytes_per_s=rate)


def wish(manifest: Manifest = MANIFEST, size: int | None = None) -> Wish:
    raw = manifest_bytes(manifest)
    return Wish("a-1", "app", 1, Intent.UPDATE, digest_of(raw), len(raw) if size is None else size, note_of(manifest))


class Device:
    """Slots with an installation begun in B, and a downloader in a hurry."""

    def __init__(self, root: Path, ca: Path | None = None, **timeouts: float) -> None:
        self.slots = DirectorySlots(root / "app")
        self.slots.begin(B, MANIFEST, RAW)
        pacing = Pacing(min_speed_bytes_per_s=20_000, min_speed_window_s=0.4)
        limits = {"connect_timeout_s": 0.5, "read_timeout_s": 0.5, **timeouts}
        self.downloader = HttpDownloader(self.slots, ca, pacing, **limits)
        self.told: list[tuple[int, int]] = []
        self.stopped = threading.Event()

    def fill(self, given: Lease) -> None:
        self.downloader.fill(
            wish(), MANIFEST, B, given, lambda have, total: self.told.append((have, total)), self.stopped.is_set
        )
        self.slots.seal(B)

    def fails(self, given: Lease) -> SurefootError:
        with pytest.raises((Unreachable, InstallFailed)) as caught:
            self.fill(given)
        return caught.value


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def asked(blobs: Blobs) -> Sequence[int]:
    """Offsets at which the model was asked for."""
    return [a.offset for a in blobs.asked if a.sha256 == MODEL]


def test_a_slot_is_filled_and_progress_rises_to_the_whole(device: Device) -> None:
    with serving(CONTENT) as blobs:
        device.fill(lease(blobs))

    assert snapshot(device.slots.path(B)) == FILES
    assert device.told == sorted(device.told)
    assert device.told[-1] == (MANIFEST.installed_size_bytes, MANIFEST.installed_size_bytes)


def test_an_empty_file_is_not_asked_for(device: Device) -> None:
    with serving(CONTENT) as blobs:
        device.fill(lease(blobs))

    assert digest_of(b"") not in [a.sha256 for a in blobs.asked]


def test_files_of_the_running_slot_are_not_fetched(device: Device) -> None:
    old = {"lib/old-name.bin": FILES["lib/model.bin"], "bin/camera": b"old"}
    install(device.slots, A, release(old, "1.0", ["bin/camera"]), old)
    with serving(CONTENT) as blobs:
        device.fill(lease(blobs))

    assert [a.sha256 for a in blobs.asked] == [digest_of(FILES["bin/camera"])]


def test_a_connection_cut_in_the_middle_goes_on_at_the_same_byte(device: Device) -> None:
    with serving(CONTENT, sources.closing_after(120_000)) as blobs:
        device.fill(lease(blobs))

    assert asked(blobs) == [0, 120_000, 240_000]
    assert snapshot(device.slots.path(B)) == FILES


def test_what_one_source_brought_is_not_asked_of_the_next(device: Device) -> None:
    with serving(CONTENT, sources.closing_after(50_000)) as first, serving(CONTENT) as second:
        device.fill(lease(first, second))

    assert asked(first) == [0, 50_000, 100_000]
    assert asked(second) == [150_000]


def test_progress_survives_the_process(tmp_path: Path) -> None:
    with serving(CONTENT, sources.closing_after(50_000)) as blobs:
        assert Device(tmp_path).fails(lease(blobs)).kind == "unreachable"
        again = Device(tmp_path)
        blobs.trick = None
        again.fill(lease(blobs))

    assert asked(blobs)[-1] == 150_000
    assert snapshot(again.slots.path(B)) == FILES


def test_a_kept_connection_that_the_source_closed_meanwhile_is_opened_anew(device: Device) -> None:
    answered = 0

    def tired(request: sources.Request) -> None:
        nonlocal answered
        answered += 1
        if answered == 2:
            request.close_connection = True  # without a word, as a connection that was idle too long
        else:
            sources.honest(request)

    with serving(CONTENT, tired) as blobs:
        device.fill(lease(blobs))

    assert snapshot(device.slots.path(B)) == FILES
    assert len(blobs.asked) == 3


def test_a_source_without_ranges_still_finishes_what_was_begun(device: Device) -> None:
    with serving(CONTENT, sources.closing_after(50_000)) as first, serving(CONTENT, sources.without_ranges) as second:
        device.fill(lease(first, second))

    assert snapshot(device.slots.path(B)) == FILES


def test_a_source_that_refuses_a_range_is_asked_for_the_whole(device: Device) -> None:
    def no_ranges(request: sources.Request) -> None:
        (sources.status(416) if request.offset else sources.honest)(request)

    with serving(CONTENT, sources.closing_after(50_000)) as first, serving(CONTENT, no_ranges) as second:
        device.fill(lease(first, second))

    assert asked(second) == [150_000, 0]


def test_a_source_that_answers_with_another_range_is_left(device: Device) -> None:
    def elsewhere(request: sources.Request) -> None:
        end = len(request.body())
        request.head(206, Content_Length=end - 10, Content_Range=f"bytes 10-{end - 1}/{end}")
        request.wfile.write(request.body()[10:])

    with serving(CONTENT, elsewhere) as liar:
        assert device.fails(lease(liar)).kind == "unreachable"


@pytest.mark.parametrize(
    "trick",
    [
        sources.garbage,
        sources.endless,
        sources.trickling,
        sources.trickling_head,
        sources.silent,
        sources.status(404),
        sources.status(401),
        sources.status(500),
        sources.status(302, Location="http://127.0.0.1:1/"),
        sources.status(503, Retry_After=5),
    ],
    ids=["garbage", "endless", "trickling", "trickling head", "silent", "404", "401", "500", "redirect", "503"],
)
def test_a_bad_source_is_left_for_the_next_within_seconds(device: Device, trick: sources.Trick) -> None:
    began = time.monotonic()

    with serving(CONTENT, trick) as bad, serving(CONTENT) as good:
        device.fill(lease(bad, good))

    assert snapshot(device.slots.path(B)) == FILES
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("trick", "kind"),
    [
        (sources.garbage, "artifact_corrupt"),
        (sources.endless, "artifact_corrupt"),
        (sources.trickling, "too_slow"),
        (sources.trickling_head, "too_slow"),
        (sources.silent, "too_slow"),
        (sources.status(404), "artifact_missing"),
        (sources.status(410), "artifact_missing"),
        (sources.status(401), "lease_expired"),
        (sources.status(403), "lease_expired"),
        (sources.status(429), "busy"),
        (sources.status(500), "unreachable"),
        (sources.status(302, Location="/blobs/elsewhere"), "unreachable"),
        (sources.closing_after(0), "unreachable"),
        (sources.status(200, Content_Encoding="gzip"), "artifact_corrupt"),
    ],
)
def test_what_a_single_source_does_has_its_kind(device: Device, trick: sources.Trick, kind: str) -> None:
    with serving(CONTENT, trick) as blobs:
        assert device.fails(lease(blobs)).kind == kind


def test_nothing_unsigned_is_left_in_the_slot_by_a_lying_source(device: Device) -> None:
    with serving(CONTENT, sources.garbage) as blobs:
        device.fails(lease(blobs))

    assert all(content in FILES.values() for content in snapshot(device.slots.path(B)).values())


def test_a_redirect_is_not_followed(device: Device) -> None:
    with serving(CONTENT) as target:
        with serving(CONTENT, sources.status(302, Location=f"{target.url}{MODEL}")) as blobs:
            device.fails(lease(blobs))

        assert target.asked == []


def test_a_busy_server_says_when_to_come_back(device: Device) -> None:
    with serving(CONTENT, sources.status(503, Retry_After=17)) as blobs:
        error = device.fails(lease(blobs))

    assert isinstance(error, Unreachable)
    assert (error.kind, error.retry_after_s) == ("busy", 17.0)


def test_a_failure_that_passes_by_itself_outweighs_a_lasting_one(device: Device) -> None:
    with serving(CONTENT, sources.status(404)) as missing, serving(CONTENT, sources.status(503)) as busy:
        assert device.fails(lease(missing, busy)).kind == "busy"


def test_a_lease_without_sources_asks_for_a_new_one(device: Device) -> None:
    assert device.fails(lease()).kind == "lease_expired"


def test_a_server_that_does_not_listen_is_unreachable(device: Device) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = Source(f"http://127.0.0.1:{probe.getsockname()[1]}/", "t")

        assert device.fails(lease(dead)).kind == "unreachable"


@pytest.mark.parametrize("trick", [sources.silent, sources.trickling, sources.trickling_head])
def test_a_stop_is_obeyed_at_once_whatever_the_socket_does(tmp_path: Path, trick: sources.Trick) -> None:
    device = Device(tmp_path, read_timeout_s=60.0)
    with serving(CONTENT, trick) as blobs:
        threading.Timer(0.3, device.stopped.set).start()
        began = time.monotonic()
        error = device.fails(lease(blobs))

    assert error.kind in ("cancelled_by_order", "too_slow")
    assert time.monotonic() - began < 2


def test_a_stop_under_a_rate_limit_is_obeyed_at_once(device: Device) -> None:
    with serving(CONTENT) as blobs:
        threading.Timer(0.3, device.stopped.set).start()
        began = time.monotonic()
        error = device.fails(lease(blobs, rate=500))

    assert error.kind == "cancelled_by_order"
    assert time.monotonic() - began < 2


def test_a_rate_limit_is_kept(device: Device) -> None:
    began = time.monotonic()
    with serving(CONTENT) as blobs:
        device.fill(lease(blobs, rate=400_000))

    assert time.monotonic() - began >= 0.7


def test_a_disk_that_fills_up_is_not_blamed_on_the_source(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from surefoot_agent.slots import tree

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(tree, "write_all", full)
    with serving(CONTENT) as first, serving(CONTENT) as second:
        assert device.fails(lease(first, second)).kind == "no_space"
        assert second.asked == []


def test_the_manifest_is_fetched_and_checked(device: Device) -> None:
    with serving(CONTENT) as blobs:
        assert device.downloader.manifest(wish(), lease(blobs)) == RAW


@pytest.mark.parametrize(
    ("trick", "kind"),
    [
        (sources.garbage, "artifact_corrupt"),
        (sources.endless, "artifact_corrupt"),
        (sources.closing_after(50), "unreachable"),
    ],
)
def test_a_manifest_that_is_not_what_was_signed_is_refused(device: Device, trick: sources.Trick, kind: str) -> None:
    with serving(CONTENT, trick) as blobs, pytest.raises(SurefootError) as caught:
        device.downloader.manifest(wish(), lease(blobs))

    assert caught.value.kind == kind


def test_a_manifest_of_an_absurd_size_is_not_asked_for(device: Device) -> None:
    with serving(CONTENT) as blobs, pytest.raises(InstallFailed):
        device.downloader.manifest(wish(size=1 << 40), lease(blobs))

    assert blobs.asked == []


def test_over_tls_the_fleet_ca_is_trusted_and_the_token_sent(tmp_path: Path) -> None:
    pki = make_pki(tmp_path)
    device = Device(tmp_path, pki.ca)

    with serving(CONTENT, tls=(pki.certificate, pki.key)) as blobs:
        device.fill(lease(blobs))

    assert {a.authorization for a in blobs.asked} == {"Bearer lease-token"}


def test_the_token_never_travels_in_plain_text(device: Device) -> None:
    with serving(CONTENT) as blobs:
        device.fill(lease(blobs))

    assert {a.authorization for a in blobs.asked} == {None}


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_certificate_of_another_authority_or_host_is_refused(tmp_path: Path, wrong: str) -> None:
    own = make_pki(tmp_path)
    other = make_pki(tmp_path, "stranger") if wrong == "authority" else make_pki(tmp_path, "elsewhere", "192.0.2.1")
    device = Device(tmp_path, own.ca if wrong == "authority" else other.ca)

    with serving(CONTENT, tls=(other.certificate, other.key)) as blobs:
        error = device.fails(lease(blobs))

    assert (error.kind, blobs.asked) == ("unreachable", [])
