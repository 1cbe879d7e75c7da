"""Which metadata a device says it holds: never more than it can prove to itself, and never an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.messages import MetadataVersions
from surefoot_shared.trust.versions import metadata_versions
from tests.shared.trust.simulator import DeviceSimulator, FleetSimulator, Keys


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version()
    return made


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    return DeviceSimulator(tmp_path / "trust", fleet)


def test_a_new_device_holds_its_bootstrap_roots(device: DeviceSimulator) -> None:
    assert metadata_versions(device.folder) == (MetadataVersions(root=1), MetadataVersions(root=1))


def test_a_device_without_anything_holds_nothing(tmp_path: Path) -> None:
    assert metadata_versions(tmp_path / "nowhere") == (MetadataVersions(), MetadataVersions())


def test_after_a_bundle_the_device_holds_what_was_verified(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    verified = device.decide(fleet.bundle(fleet.wish()))

    image, director = metadata_versions(device.folder)

    assert (image, director) == (verified.image, verified.director)
    assert image == MetadataVersions(1, 2, 2, 1, {"rel-app": 2})
    assert director.targets == director.snapshot == director.timestamp == verified.director_version


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 99,
        b"[]",
        b'{"signed": {}}',
        b'{"signed": {"version": true}}',
        b'{"signed": {"version": -1}}',
        b"[" * 9000,
        b" " * 600_000,
    ],
)
def test_a_damaged_file_counts_as_not_held(device: DeviceSimulator, fleet: FleetSimulator, content: bytes) -> None:
    device.decide(fleet.bundle(fleet.wish()))
    for name in ("timestamp", "rel-app"):
        (device.folder / "image" / f"{name}.json").write_bytes(content)

    image, _ = metadata_versions(device.folder)

    assert (image.timestamp, image.roles, image.snapshot) == (0, {}, 2)


def test_a_torn_link_ends_the_chain_of_roots(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    for _ in range(3):
        fleet.director = Keys.new()
        fleet.sign_director_root()
    device.decide(fleet.bundle())
    assert metadata_versions(device.folder)[1].root == 4

    (device.folder / "director" / "root_history" / "3.root.json").write_bytes(b"")

    assert metadata_versions(device.folder)[1].root == 2
