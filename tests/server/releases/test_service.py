"""A release is taken in whole and signed, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.audit import service as audit
from surefoot_server.devices.models import DeviceComponent
from surefoot_server.releases import repository
from surefoot_shared.errors import Conflict, SurefootError, UntrustedRelease
from surefoot_shared.messages import ComponentReport
from surefoot_shared.release import digest_of, parse_manifest
from surefoot_shared.status import AttemptState, SlotName
from tests.server.releases import shelf
from tests.server.rig import NOW, Rig, hello


def rows(rig: Rig) -> list[str]:
    with rig.db.read() as session:
        return [row.id for row in repository.newest_first(session)]


def test_a_signed_release_with_all_its_blobs_is_published(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)

    row = shelf.publish(rig, made)

    assert (row.id, row.digest, row.published_by) == ("app/1.1", digest_of(made.manifest), "first")
    assert row.total_bytes == len("count") + len("weights")
    assert rig.state.blobs.existing(row.digest).read_bytes() == made.manifest
    with rig.db.read() as session:
        assert audit.entries(session, "release:app/1.1")[0].action == "release.publish"


def test_the_longest_soak_of_a_set_is_read_from_its_manifests(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)
    row = shelf.publish(rig, made)

    assert rig.state.releases.soak_s([row.digest, "f" * 64]) == parse_manifest(made.manifest).probation.soak_s > 0
    assert rig.state.releases.soak_s(["f" * 64]) == 0


def test_publishing_again_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)
    first = shelf.publish(rig, made)

    again = shelf.publish(rig, made)

    assert (again.published_at, rows(rig)) == (first.published_at, ["app/1.1"])


def test_a_release_whose_blobs_are_missing_is_refused_and_names_them(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)

    with pytest.raises(Conflict) as refused:
        rig.state.releases.publish(made.role, made.manifest, "first", NOW)

    assert refused.value.kind == "artifact_missing"
    assert next(iter(made.blobs))[:12] in refused.value.message
    assert rows(rig) == []


def test_publishing_again_heals_a_blob_that_the_disk_damaged(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)
    shelf.publish(rig, made)
    name = next(iter(made.blobs))
    for damaged in (name, digest_of(made.manifest)):
        path = rig.state.blobs.path(damaged)
        path.write_bytes(b"?" * path.stat().st_size)
    with pytest.raises(Conflict, match=name[:12]):
        rig.state.releases.publish(made.role, made.manifest, "first", NOW)

    shelf.publish(rig, made)

    assert rig.state.blobs.missing([*made.blobs, digest_of(made.manifest)]) == []


def test_an_unsigned_release_is_refused(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)
    shelf.upload(rig, made)

    with pytest.raises(SurefootError):
        rig.state.releases.publish(made.role.replace(b"sig", b"gis"), made.manifest, "first", NOW)

    assert rows(rig) == []


def test_a_manifest_that_the_role_does_not_list_is_refused(rig: Rig, tmp_path: Path) -> None:
    signed, other = shelf.make(rig, tmp_path, "1.1"), shelf.make(rig, tmp_path, "1.2")
    shelf.upload(rig, other)

    with pytest.raises(SurefootError):
        rig.state.releases.publish(signed.role, other.manifest, "first", NOW)

    assert rows(rig) == []


def test_a_changed_manifest_is_refused(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)
    shelf.upload(rig, made)

    with pytest.raises(SurefootError):
        rig.state.releases.publish(made.role, made.manifest.replace(b"rpi5", b"rpi4"), "first", NOW)

    assert rows(rig) == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff"])
def test_something_that_is_no_manifest_is_refused(rig: Rig, raw: bytes) -> None:
    with pytest.raises(UntrustedRelease):
        rig.state.releases.publish(b"{}", raw, "first", NOW)


def test_releases_follow_each_other(rig: Rig, tmp_path: Path) -> None:
    shelf.publish(rig, shelf.make(rig, tmp_path, "1.1"))
    shelf.publish(rig, shelf.make(rig, tmp_path, "1.2"))

    assert rows(rig) == ["app/1.2", "app/1.1"]


def test_devices_that_ran_it_before_it_was_published_are_named_then(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)
    rig.device("cam-1")
    report = ComponentReport("app", SlotName.A, "app/1.1", digest_of(made.manifest), {}, AttemptState.IDLE)
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(report,)), NOW)

    shelf.publish(rig, made)

    with rig.db.read() as session:
        part = session.get(DeviceComponent, ("cam-1", "app"))
        assert part is not None
        assert part.release_id == "app/1.1"
        assert repository.running(session) == {"app/1.1": 1}
