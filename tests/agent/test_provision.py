"""The first release goes into slot A verified, once, and never over something that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.provision import component_named_in, provision
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import ConfigError, InstallFailed, SurefootError
from surefoot_shared.release import digest_of
from surefoot_shared.status import SlotName, SlotState
from surefoot_shared.trust.floors import FloorStore
from tests.shared.trust.simulator import HW, NOW, DeviceSimulator, FleetSimulator
from tests.shared.trust.test_provision import write_release


class Bench:
    """A fresh device beside a signed release folder."""

    def __init__(self, folder: Path) -> None:
        self.fleet = FleetSimulator()
        self.fleet.release_version("1.0", counter=100)
        self.trust = DeviceSimulator(folder / "trust", self.fleet).folder
        self.component = folder / "app"
        self.slots, self.boot = DirectorySlots(self.component), SymlinkBoot(self.component)
        self.release = self.folder_of("1.0", folder / "release")

    def folder_of(self, version: str, folder: Path) -> Path:
        write_release(self.fleet, folder, version)
        (folder / "blobs").mkdir()
        content = version.encode()  # what the simulator's manifests list
        (folder / "blobs" / digest_of(content)).write_bytes(content)
        return folder

    def provision(self, release: Path | None = None, component: str = "app", hw: str = HW) -> None:
        provision(self.trust, release or self.release, component, hw, self.slots, self.boot, NOW)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_release_is_whole_good_and_current_afterwards(bench: Bench) -> None:
    bench.provision()

    installed = bench.slots.installed(SlotName.A)
    assert installed is not None
    assert installed.version == "1.0"
    assert (bench.boot.current(), bench.boot.state(SlotName.A)) == (SlotName.A, SlotState.GOOD)
    assert bench.boot.state(SlotName.B) is SlotState.EMPTY
    assert FloorStore(bench.trust).load().counter == {"app": 100}


def test_provisioning_twice_changes_nothing(bench: Bench) -> None:
    bench.provision()
    before = bench.slots.digest(SlotName.A)

    bench.provision()

    assert bench.slots.digest(SlotName.A) == before


def test_an_interrupted_provisioning_goes_on(bench: Bench) -> None:
    blobs = bench.release / "blobs"
    blobs.rename(bench.release / "hidden")
    with pytest.raises(InstallFailed, match="lacks the bytes"):
        bench.provision()
    (bench.release / "hidden").rename(blobs)

    bench.provision()

    assert bench.slots.digest(SlotName.A) is not None


def test_a_device_with_another_release_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    bench.provision()
    bench.fleet.release_version("1.1", counter=101)

    with pytest.raises(ConfigError, match="already has a release"):
        bench.provision(bench.folder_of("1.1", tmp_path / "newer"))

    installed = bench.slots.installed(SlotName.A)
    assert installed is not None
    assert installed.version == "1.0"


def test_a_release_of_another_component_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="not of model"):
        bench.provision(component="model")


def test_altered_bytes_never_reach_a_sealed_slot(bench: Bench) -> None:
    for blob in (bench.release / "blobs").iterdir():
        blob.write_bytes(b"x" * blob.stat().st_size)

    with pytest.raises(InstallFailed) as caught:
        bench.provision()

    assert caught.value.kind == "artifact_corrupt"
    assert bench.slots.digest(SlotName.A) is None


def test_wrong_hardware_leaves_the_slots_untouched(bench: Bench) -> None:
    with pytest.raises(SurefootError) as caught:
        bench.provision(hw="x86-box")

    assert caught.value.kind == "wrong_hardware"
    assert list(bench.slots.path(SlotName.A).iterdir()) == []


def test_a_folder_says_of_which_component_it_is_before_it_is_verified(bench: Bench, tmp_path: Path) -> None:
    assert component_named_in(bench.release) == "app"
    assert component_named_in(tmp_path / "absent") is None
