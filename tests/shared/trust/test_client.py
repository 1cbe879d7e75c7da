"""The client of one repository: what we lean on in the library, its limits, its errors, and artifacts kept by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.trust.client import DEVICE_LIMITS, PUBLIC_LIMITS, Client
from tests.shared.trust.simulator import DAY, NOW, FleetSimulator

PATH = "releases/app/1.1/manifest.json"


class Shelf(FetcherInterface):
    """Serves a fleet's image repository and its manifests, and counts."""

    def __init__(self, fleet: FleetSimulator) -> None:
        self.files = {name: text.encode() for name, text in fleet.image.items()}
        self.asked: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rpartition("/")[2]
        self.asked.append(name)
        if name not in self.files:
            raise DownloadHTTPError(name, 404)
        return iter([self.files[name]])


@pytest.fixture
def fleet() -> FleetSimulator:
    made = FleetSimulator()
    made.release_version("1.1", 101)
    return made


def client(folder: Path, fleet: FleetSimulator, shelf: Shelf | None = None) -> Client:
    return Client("image", folder, "x://image/", shelf or Shelf(fleet), fleet.image["1.root.json"].encode())


def test_python_tuf_still_has_the_private_parts_that_this_module_uses(tmp_path: Path, fleet: FleetSimulator) -> None:
    made = Updater(str(tmp_path), "bundle://image/", bootstrap=fleet.image["1.root.json"].encode())

    assert hasattr(made._trusted_set, "reference_time")
    assert made._trusted_set.root.version == 1


def test_the_limits_are_those_of_a_small_device_and_wider_for_repositories_of_any_make() -> None:
    limits = DEVICE_LIMITS

    assert (limits.max_delegations, limits.root_max_length, limits.targets_max_length) == (4, 64_000, 400_000)
    assert limits.timestamp_max_length == 16_384
    assert PUBLIC_LIMITS.max_delegations == 32


def test_nothing_is_asked_for_before_the_refresh_and_no_more_than_the_protocol_after_it(
    tmp_path: Path, fleet: FleetSimulator
) -> None:
    shelf = Shelf(fleet)
    made = client(tmp_path, fleet, shelf)
    assert shelf.asked == []

    made.refresh(NOW)

    assert shelf.asked == ["2.root.json", "timestamp.json", "2.snapshot.json", "1.targets.json"]
    assert made.target(PATH) is not None
    assert shelf.asked[4:] == ["2.rel-app.json"]


def test_expiry_is_judged_at_the_time_that_was_given(tmp_path: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(UntrustedRelease) as caught:
        client(tmp_path, fleet).refresh(NOW + 8 * DAY)

    assert caught.value.kind == "metadata_expired"


def test_a_first_root_that_cannot_be_used_is_the_operators_matter(tmp_path: Path, fleet: FleetSimulator) -> None:
    with pytest.raises(ConfigError):
        Client("image", tmp_path, "x://image/", Shelf(fleet), b"junk")


def test_an_artifact_is_fetched_once_and_again_when_its_file_was_damaged(tmp_path: Path, fleet: FleetSimulator) -> None:
    shelf, raw = Shelf(fleet), fleet.manifests["app", "1.1"]
    made = client(tmp_path / "metadata", fleet, shelf)
    made.refresh(NOW)
    target = made.target(PATH)
    assert target is not None
    name = f"{target.hashes['sha256']}.manifest.json"
    shelf.files[name] = raw

    first = made.fetch(target, "x://targets", tmp_path / "targets")
    again = made.fetch(target, "x://targets", tmp_path / "targets")
    assert (first, shelf.asked.count(name)) == (again, 1)
    first.write_bytes(b"damaged")

    assert made.fetch(target, "x://targets", tmp_path / "targets").read_bytes() == raw
    assert shelf.asked.count(name) == 2


def test_other_bytes_under_an_artifacts_name_are_refused_and_not_kept(tmp_path: Path, fleet: FleetSimulator) -> None:
    shelf = Shelf(fleet)
    made = client(tmp_path / "metadata", fleet, shelf)
    made.refresh(NOW)
    target = made.target(PATH)
    assert target is not None
    shelf.files[f"{target.hashes['sha256']}.manifest.json"] = b"x" * target.length

    with pytest.raises(UntrustedRelease):
        made.fetch(target, "x://targets", tmp_path / "targets")
    assert list((tmp_path / "targets").iterdir()) == []
