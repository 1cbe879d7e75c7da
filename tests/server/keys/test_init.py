"""Making a fleet's keys: whole or not at all, never over existing ones, and loud about what 1-of-1 means."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from surefoot_server.keys import init
from surefoot_server.keys.files import read_key
from surefoot_server.keys.init import KeyPlan, banner_of, init_keys
from surefoot_server.keys.layout import OFFLINE, ONLINE, KeyFolder
from surefoot_server.keys.offline import delegated_components, read_targets
from surefoot_server.keys.quorum import parse_quorums
from surefoot_server.pki.ca import load_ca
from surefoot_shared.errors import ConfigError, Conflict, Invalid, SurefootError
from surefoot_shared.trust.fields import X_FLEET, X_HALT, X_REPO
from tests.server.keys.fleet import NOW, PASSPHRASE, Fleet
from tests.server.keys.people import gathered


def root(folder: Path, repository: str) -> Root:
    return Metadata[Root].from_bytes((folder / "bootstrap" / f"{repository}.root.json").read_bytes()).signed


def test_everything_a_fleet_needs_is_made(tmp_path: Path) -> None:
    made = init_keys(tmp_path / "keys", PASSPHRASE, NOW, fleet="north")

    assert set(made.files) == {
        *(f"offline/{name}.pem" for name in OFFLINE),
        *(f"online/{name}.pem" for name in (*ONLINE, "ca")),
        "online/ca.key",
        "repository/image/1.root.json",
        "repository/image/1.targets.json",
        "repository/image/1.rel-app.json",
        "repository/director/1.root.json",
        "bootstrap/image.root.json",
        "bootstrap/director.root.json",
        "bootstrap/ca.pem",
    }
    assert load_ca(tmp_path / "keys" / "online").fleet == "north"
    assert "ONE KEY, ONE PERSON" in made.banner


def test_offline_keys_are_encrypted_and_no_private_file_is_readable_by_others(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    for path in [*(tmp_path / "keys" / "offline").iterdir(), *(tmp_path / "keys" / "online").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path
    for name in OFFLINE:
        read_key(tmp_path / "keys" / "offline", name, PASSPHRASE)
        with pytest.raises(ConfigError):
            read_key(tmp_path / "keys" / "offline", name)


def test_every_role_has_a_key_of_its_own_and_the_two_roots_share_none(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)
    image, director = root(tmp_path / "keys", "image"), root(tmp_path / "keys", "director")

    image_keys = [keyid for role in image.roles.values() for keyid in role.keyids]
    director_keys = {keyid for role in director.roles.values() for keyid in role.keyids}

    assert len(set(image_keys)) == 4
    assert set(image_keys).isdisjoint(director_keys)
    assert director.roles["targets"].keyids == director.roles["timestamp"].keyids != director.roles["root"].keyids
    assert not set(director.unrecognized_fields[X_HALT]["keyids"]) & (director_keys | set(image_keys))


def test_the_roots_say_which_repository_and_fleet_they_are_of(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW, fleet="north")

    for repository in ("image", "director"):
        fields = root(tmp_path / "keys", repository).unrecognized_fields
        assert (fields[X_REPO], fields[X_FLEET], fields["x-signed-at"]) == (repository, "north", "2026-06-01T12:00:00Z")


def test_existing_keys_are_never_overwritten(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)
    before = {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()}

    with pytest.raises(Conflict):
        init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    assert {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()} == before


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "thesis.txt").write_text("mine")

    with pytest.raises(Conflict):
        init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()

    assert init_keys(tmp_path / "keys", PASSPHRASE, NOW).files


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(init, "create_ca", full)
    with pytest.raises(OSError, match="No space"):
        init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    assert list(tmp_path.iterdir()) == []


def test_a_component_can_be_added_later_and_the_earlier_ones_stay(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    made = init_keys(tmp_path / "keys", PASSPHRASE, NOW + timedelta(days=30), components=("app", "model"))

    keys = KeyFolder(tmp_path / "keys")
    assert made.components == ("model",)
    assert set(made.files) == {"repository/image/1.rel-model.json", "repository/image/2.targets.json"}
    assert set(delegated_components(read_targets(keys))) == {"app", "model"}
    assert read_targets(keys).version == 2


def test_adding_a_component_needs_the_passphrase(tmp_path: Path) -> None:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)

    with pytest.raises(ConfigError):
        init_keys(tmp_path / "keys", b"wrong passphrase", NOW, components=("model",))

    assert read_targets(KeyFolder(tmp_path / "keys")).version == 1
    assert not (tmp_path / "keys" / "pending").exists()


def test_several_keys_are_made_for_a_role_and_dealt_to_peoples_folders(tmp_path: Path) -> None:
    people = gathered(tmp_path, "root=3/5", "release=2/3")

    assert {path.stem for path in people.stick("first").iterdir()} == {
        *("image-root-1", "image-root-4", "director-root-1", "director-root-4", "image-release-1", "image-targets"),
    }
    assert not (people.main / "offline").exists()
    found = root(people.main, "image")
    assert (found.roles["root"].threshold, len(found.roles["root"].keyids)) == (3, 5)
    assert [found.keys[keyid].unrecognized_fields["x-name"] for keyid in found.roles["root"].keyids] == [
        f"image-root-{number}" for number in range(1, 6)
    ]
    allowed = delegated_components(read_targets(KeyFolder(people.main)))["app"]
    assert (allowed.threshold, len(allowed.keys)) == (2, 3)


def test_everything_is_signed_to_its_threshold_from_the_beginning(tmp_path: Path) -> None:
    people = gathered(tmp_path, "root=3/5", "targets=2/3", "release=2/3")

    assert Fleet.serving(people.main, tmp_path / "data").components() == ("app",)


def test_the_banner_is_as_loud_as_the_thresholds_are_low(tmp_path: Path) -> None:
    assert "ONE KEY, ONE PERSON" in banner_of(KeyPlan())
    assert "image-targets" in banner_of(KeyPlan(parse_quorums(["root=2/3", "release=2/3"])))
    assert banner_of(KeyPlan(parse_quorums(["root=2/3", "release=2/3", "targets=2/2"]))) == ""


def test_a_key_in_a_persons_folder_is_never_overwritten_and_nothing_stays_half_made(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "image-release.pem").write_text("mine")

    with pytest.raises(ConfigError):
        init_keys(tmp_path / "keys", PASSPHRASE, NOW, plan=KeyPlan(offline=(stick,)))

    assert [path.name for path in stick.iterdir()] == ["image-release.pem"]
    assert (stick / "image-release.pem").read_text() == "mine"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("components", [("App",), ("a/b",), ("../x",), ("",), (), ("a" * 40,)])
def test_a_malformed_component_name_is_refused(tmp_path: Path, components: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        init_keys(tmp_path / "keys", PASSPHRASE, NOW, components=components)


@pytest.mark.parametrize("fleet", ["", "a b", "svc-x", "a/b"])
def test_a_malformed_fleet_name_is_refused(tmp_path: Path, fleet: str) -> None:
    with pytest.raises(SurefootError):
        init_keys(tmp_path / "keys", PASSPHRASE, NOW, fleet=fleet)

    assert not (tmp_path / "keys").exists()
