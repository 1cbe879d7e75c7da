"""Factory provisioning believes the release keys, and nobody else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_shared.errors import Invalid, SurefootError, UntrustedRelease
from surefoot_shared.release import digest_of
from surefoot_shared.trust.floors import FloorStore
from surefoot_shared.trust.provision import provisioned
from tests.shared.trust.simulator import HW, NOW, DeviceSimulator, FleetSimulator


@pytest.fixture
def fleet() -> FleetSimulator:
    fleet = FleetSimulator()
    fleet.release_version("1.0", counter=100)
    return fleet


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    return DeviceSimulator(tmp_path / "trust", fleet)


def write_release(fleet: FleetSimulator, folder: Path, version: str = "1.0") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(fleet.manifests["app", version])
    (folder / "role.json").write_text(fleet.image[f"{fleet.version['rel-app']}.rel-app.json"])
    (folder / "targets.json").write_text(fleet.image[f"{fleet.version['targets']}.targets.json"])
    return folder


def refused(device: DeviceSimulator, folder: Path, hw: str = HW) -> str:
    with pytest.raises(SurefootError) as caught:
        provisioned(device.folder, folder, hw, NOW)
    return caught.value.kind


def test_a_signed_release_folder_is_accepted_without_a_server(
    fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path
) -> None:
    folder = write_release(fleet, tmp_path / "release")

    note, manifest, raw = provisioned(device.folder, folder, HW, NOW)

    assert (note.version, note.counter, manifest.version) == ("1.0", 100, "1.0")
    assert digest_of(raw) == digest_of(fleet.manifests["app", "1.0"])


def test_an_altered_manifest_is_refused(fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path) -> None:
    folder = write_release(fleet, tmp_path / "release")
    altered = json.loads((folder / "manifest.json").read_bytes())
    altered["files"] = []
    (folder / "manifest.json").write_text(json.dumps(altered))

    assert refused(device, folder) == "target_mismatch"


def test_a_release_that_the_role_does_not_list_is_refused(
    fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path
) -> None:
    folder = write_release(fleet, tmp_path / "release")
    fleet.withdraw("1.0")
    (folder / "role.json").write_text(fleet.image[f"{fleet.version['rel-app']}.rel-app.json"])

    assert refused(device, folder) == "not_released"


def test_a_role_signed_by_too_few_release_keys_is_refused(
    fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path
) -> None:
    fleet.release_version("1.0", counter=100, signers=fleet.release.signers[:1])

    assert refused(device, write_release(fleet, tmp_path / "release")) == "metadata_untrusted"


def test_another_fleets_release_is_refused(device: DeviceSimulator, tmp_path: Path) -> None:
    stranger = FleetSimulator()
    stranger.release_version("1.0", counter=100)

    assert refused(device, write_release(stranger, tmp_path / "release")) == "metadata_untrusted"


def test_a_role_whose_signature_has_expired_is_refused(
    fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path
) -> None:
    fleet.sign_role("app", lifetime=timedelta(days=-1))

    assert refused(device, write_release(fleet, tmp_path / "release")) == "metadata_expired"


def test_other_hardware_is_refused(fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path) -> None:
    assert refused(device, write_release(fleet, tmp_path / "release"), hw="x86-box") == "wrong_hardware"


def test_a_counter_below_the_committed_one_is_refused(
    fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path
) -> None:
    folder = write_release(fleet, tmp_path / "release")
    note, _, _ = provisioned(device.folder, folder, HW, NOW)
    FloorStore(device.folder).committed(note)
    fleet.release_version("0.9", counter=90)

    assert refused(device, write_release(fleet, tmp_path / "older", "0.9")) == "below_counter"


@pytest.mark.parametrize("name", ["manifest.json", "role.json", "targets.json"])
def test_a_folder_that_lacks_a_file_is_named(
    fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path, name: str
) -> None:
    folder = write_release(fleet, tmp_path / "release")
    (folder / name).unlink()

    with pytest.raises(Invalid, match=name):
        provisioned(device.folder, folder, HW, NOW)


def test_junk_in_place_of_metadata_is_untrusted(fleet: FleetSimulator, device: DeviceSimulator, tmp_path: Path) -> None:
    folder = write_release(fleet, tmp_path / "release")
    (folder / "targets.json").write_bytes(b"\x00junk")

    with pytest.raises(UntrustedRelease):
        provisioned(device.folder, folder, HW, NOW)
