"""One repository brought up to date: what is written, what is durable, and what we lean on in the library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.trust.floors import Floors, Seen
from surefoot_shared.trust.updater import Refreshed, Source, read_bootstrap, trusted_root
from tests.shared.trust.simulator import NOW, DeviceSimulator, FleetSimulator, Keys


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version()
    return made


@pytest.fixture
def device(tmp_path: Path, fleet: FleetSimulator) -> DeviceSimulator:
    return DeviceSimulator(tmp_path / "trust", fleet)


def source(device: DeviceSimulator, fleet: FleetSimulator) -> Source:
    return Source("image", device.folder / "image", fleet.image, None, read_bootstrap(device.folder, "image"))


def test_seen_versions_bind_while_the_same_keys_sign(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    seen = Refreshed(source(device, fleet), Floors(), NOW).seen
    higher = {name: Seen(each.version + 1, each.keys) for name, each in seen.items()}
    other_keys = {name: Seen(each.version + 1, "other") for name, each in seen.items() if name != "image.root"}

    with pytest.raises(UntrustedRelease) as caught:
        Refreshed(source(device, fleet), Floors(seen=higher), NOW)
    assert caught.value.kind == "metadata_rollback"
    assert Refreshed(source(device, fleet), Floors(seen=other_keys), NOW).seen == seen


@pytest.mark.parametrize("role", ["image.rel-app", "image.targets"])
def test_no_role_comes_back_though_the_snapshot_that_named_it_was_lost(
    device: DeviceSimulator, fleet: FleetSimulator, role: str
) -> None:
    verified = device.decide(fleet.bundle(fleet.wish()))
    assert verified.approved
    newer = Floors(seen={role: replace(device.floors.seen[role], version=99)})

    def load() -> None:
        loaded = Refreshed(source(device, fleet), newer, NOW)
        loaded.target("releases/app/1.1/manifest.json")
        loaded.seen_role("rel-app", newer)

    with pytest.raises(UntrustedRelease) as caught:
        load()

    assert caught.value.kind == "metadata_rollback"


def test_a_role_signed_by_new_release_keys_begins_anew(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    other = Floors(seen={"image.rel-app": Seen(99, "the keys before")})
    loaded = Refreshed(source(device, fleet), other, NOW)
    assert loaded.seen_role("rel-app", other) == {}  # not loaded yet

    loaded.target("releases/app/1.1/manifest.json")

    assert loaded.seen_role("rel-app", other)["image.rel-app"].version == 2


def test_a_device_that_was_never_enrolled_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_bootstrap(tmp_path, "image")

    assert caught.value.kind == "not_enrolled"


def test_the_stored_chain_of_roots_is_replayed_and_verified(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    for _ in range(3):
        fleet.director = Keys.new()
        fleet.sign_director_root()
    device.decide(fleet.bundle())

    assert trusted_root(device.folder, "director").version == 4


def test_a_forged_link_in_the_stored_chain_is_refused(device: DeviceSimulator, fleet: FleetSimulator) -> None:
    device.decide(fleet.bundle())
    fleet.director_root = Keys.new()
    forged = fleet.sign_director_root()
    (device.folder / "director" / "root_history" / "2.root.json").write_text(forged)

    with pytest.raises(UntrustedRelease):
        trusted_root(device.folder, "director")
