"""What a server is given of a keys folder, and what it never gets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from surefoot_server.keys.init import init_keys
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.layout import OFFLINE, versions_of
from surefoot_server.keys.listing import propose_policy, propose_withdrawal
from surefoot_server.keys.rotate import renew, rotate
from surefoot_server.keys.rotation import keys_in
from surefoot_server.keys.signers import KeyRing, read_signers, write_signers
from surefoot_shared.errors import ConfigError, Conflict
from surefoot_shared.trust.policy import Policy
from tests.server.keys.fleet import NOW, PASSPHRASE, Fleet
from tests.server.keys.people import gathered


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)
    return tmp_path / "keys"


def test_the_server_never_gets_an_offline_key(tmp_path: Path, keys: Path) -> None:
    install_keys(keys, tmp_path / "data")

    names = {path.stem for path in (tmp_path / "data").rglob("*")}
    assert names.isdisjoint(OFFLINE)
    for path in (tmp_path / "data").rglob("*.pem"):
        assert b"ENCRYPTED" not in path.read_bytes()


def test_the_server_needs_no_offline_folder(tmp_path: Path, keys: Path) -> None:
    for path in (keys / "offline").iterdir():
        path.unlink()
    (keys / "offline").rmdir()

    installed = install_keys(keys, tmp_path / "data")

    assert sorted(path.name for path in installed.online_dir.glob("*.*")) == [
        "ca.key", "ca.pem", "director.pem", "halt.pem", "image-snapshot.pem", "image-timestamp.pem",
    ]  # fmt: skip
    assert sorted(path.name for path in installed.bootstrap_dir.iterdir()) == [
        "ca.pem",
        "director.root.json",
        "image.root.json",
    ]


def test_secrets_stay_readable_by_their_owner_only(tmp_path: Path, keys: Path) -> None:
    installed = install_keys(keys, tmp_path / "data")

    for path in installed.online_dir.glob("*"):
        if path.is_file() and path.name != "ca.pem":
            assert path.stat().st_mode & 0o077 == 0, path


def test_installing_again_keeps_what_the_server_has_accepted(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    wish = fleet.publish(fleet.built())

    fleet.start_server()

    assert fleet.decide(fleet.bundle(wish)).approved


def test_releases_that_were_signed_but_not_published_are_not_taken_over(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.built()

    installed = install_keys(fleet.keys, tmp_path / "other")

    assert [path.name for path in (installed.repo_dir / "image").glob("*.rel-app.json")] == ["1.rel-app.json"]


def test_a_missing_online_key_is_named(tmp_path: Path, keys: Path) -> None:
    (keys / "online" / "halt.pem").unlink()

    with pytest.raises(ConfigError, match=r"halt\.pem") as caught:
        install_keys(keys, tmp_path / "data")

    assert caught.value.kind == "key_missing"


def test_a_key_that_others_can_read_is_not_taken_over(tmp_path: Path, keys: Path) -> None:
    (keys / "online" / "director.pem").chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        install_keys(keys, tmp_path / "data")

    assert caught.value.kind == "key_permissions"


def test_nothing_is_copied_from_a_folder_that_lacks_a_key(tmp_path: Path, keys: Path) -> None:
    (keys / "online" / "halt.pem").unlink()

    with pytest.raises(ConfigError):
        install_keys(keys, tmp_path / "data")

    assert not (tmp_path / "data").exists()


def test_new_release_keys_bring_the_role_that_they_signed(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    old = fleet.publish(fleet.built("1.1", 101))
    rotate(fleet.keys, ("image-release",), KeyRing(fleet.keys, PASSPHRASE), NOW)

    fleet.start_server()

    assert [each.note for each in fleet.decide(fleet.bundle(old)).approved] == [old.note]


def test_a_role_that_is_still_good_is_not_replaced_by_one_that_was_not_published(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.publish(fleet.built("1.1", 101))
    fleet.built("1.2", 102)

    install_keys(fleet.keys, fleet.data)

    assert versions_of(fleet.data / "repo" / "image", "rel-app") == [1, 2]


def test_a_key_that_moved_to_a_token_leaves_the_server(tmp_path: Path, keys: Path) -> None:
    installed = install_keys(keys, tmp_path / "data")
    write_signers(keys, {"director": ("hsm:1?label=server",)})
    (keys / "online" / "director.pem").unlink()

    install_keys(keys, tmp_path / "data")

    assert not (installed.online_dir / "director.pem").exists()
    assert read_signers(installed.online_dir) == {"director": ("hsm:1?label=server",)}


def test_a_renewed_role_a_policy_and_a_withdrawal_reach_a_running_server(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    kept, gone = fleet.publish(fleet.built("1.1", 101)), fleet.publish(fleet.built("1.2", 102))
    renew(fleet.keys, ("image-release",), KeyRing(fleet.keys, PASSPHRASE), NOW)
    ring = KeyRing(fleet.keys, PASSPHRASE)
    propose_policy(fleet.keys, Policy("app", min_svn=0, revoked=("a" * 64,)), ring, NOW)
    propose_withdrawal(fleet.keys, "app", "1.2", ring, NOW)
    assert not fleet.online.refresh(NOW)

    install_keys(fleet.keys, fleet.data)

    assert fleet.online.refresh(NOW)
    assert [each.kind for each in fleet.decide(fleet.bundle(gone)).refused] == ["not_released"]
    assert [each.note for each in fleet.decide(fleet.bundle(kept)).approved] == [kept.note]
    assert versions_of(fleet.data / "repo" / "image", "rel-app") == [1, 2, 3, 6]


def test_publishing_is_not_taken_for_an_installation(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.publish(fleet.built())

    assert not fleet.online.refresh(NOW)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_keys_of_another_fleet_do_not_take_the_place_of_this_ones(tmp_path: Path, keys: Path) -> None:
    install_keys(keys, tmp_path / "data")
    before = content_of(tmp_path / "data")
    init_keys(tmp_path / "other", PASSPHRASE, NOW)

    with pytest.raises(Conflict, match="another fleet"):
        install_keys(tmp_path / "other", tmp_path / "data")

    assert content_of(tmp_path / "data") == before


@pytest.mark.parametrize("role", ["image-timestamp", "director"])
def test_a_copy_from_before_a_rotation_does_not_bring_the_old_keys_back(tmp_path: Path, keys: Path, role: str) -> None:
    shutil.copytree(keys, tmp_path / "backup")
    rotate(keys, (role,), KeyRing(keys, PASSPHRASE), NOW)
    install_keys(keys, tmp_path / "data")
    before = content_of(tmp_path / "data")

    with pytest.raises(Conflict, match="of this server"):
        install_keys(tmp_path / "backup", tmp_path / "data")

    assert content_of(tmp_path / "data") == before


def test_copies_of_a_root_that_differ_in_who_signed_are_one_root(tmp_path: Path) -> None:
    people = gathered(tmp_path)
    installed = install_keys(people.main, tmp_path / "data")
    path = people.main / "repository" / "image" / "1.root.json"
    root = Metadata[Root].from_bytes(path.read_bytes())
    who = dict(root.signatures)
    for signer in people.ring("third").signers("image-root", keys_in(root.signed, "root").keys):
        root.sign(signer, append=True)
    assert root.signatures.keys() > who.keys()
    path.write_bytes(root.to_bytes())

    assert install_keys(people.main, tmp_path / "data") == installed


@pytest.mark.parametrize("name", ["online/director.pem", "online/ca.pem", "repository/image/1.rel-app.json"])
def test_a_torn_file_does_not_take_the_place_of_the_servers_whole_one(tmp_path: Path, keys: Path, name: str) -> None:
    install_keys(keys, tmp_path / "data")
    before = content_of(tmp_path / "data")
    (keys / name).write_bytes((keys / name).read_bytes()[:60])

    with pytest.raises(ConfigError, match=Path(name).name):
        install_keys(keys, tmp_path / "data")

    assert content_of(tmp_path / "data") == before


def test_an_online_key_that_the_root_does_not_list_is_not_given_to_the_server(tmp_path: Path, keys: Path) -> None:
    install_keys(keys, tmp_path / "data")
    shutil.copy(keys / "online" / "halt.pem", keys / "online" / "director.pem")

    with pytest.raises(ConfigError, match="does not list"):
        install_keys(keys, tmp_path / "data")
