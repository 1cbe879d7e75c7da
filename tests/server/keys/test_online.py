"""The server's repository against a real device's verification: it is complete, fresh, and never its own word."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_server.keys.install import install_keys
from surefoot_server.keys.layout import key_file
from surefoot_server.keys.listing import propose_withdrawal
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.keys.rotate import rotate
from surefoot_server.keys.signers import KeyRing
from surefoot_shared.errors import ConfigError, Conflict
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.release import digest_of
from surefoot_shared.trust.bundle import unpack
from surefoot_shared.trust.signing import new_signer, signer_to_pem
from surefoot_shared.trust.versions import metadata_versions
from tests.server.keys.fleet import DEVICE, NOW, PASSPHRASE, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_published_release_can_be_assigned_and_is_approved_by_a_device(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())

    verified = fleet.decide(fleet.bundle(wish))

    assert [each.note for each in verified.approved] == [wish.note]


def test_a_bundle_without_wishes_withdraws_what_was_assigned(fleet: Fleet) -> None:
    fleet.decide(fleet.bundle(fleet.publish(fleet.built())))

    assert fleet.decide(fleet.bundle()).approved == ()


def test_a_device_that_holds_everything_gets_only_the_timestamp_and_its_own_files(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    fleet.decide(fleet.bundle(wish))

    raw = fleet.bundle(wish, have=metadata_versions(fleet.trust))

    assert list(unpack(raw).image) == ["timestamp.json"]
    assert len(unpack(raw).director) == 3
    assert len(raw) < 1500
    assert fleet.decide(raw).approved


def test_a_device_that_lost_one_file_gets_exactly_that(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    fleet.decide(fleet.bundle(wish))
    (fleet.trust / "image" / "targets.json").write_bytes(b"")

    raw = fleet.bundle(wish, have=metadata_versions(fleet.trust))

    assert "1.targets.json" in unpack(raw).image
    assert fleet.decide(raw).approved


def test_a_newer_release_reaches_a_device_that_holds_the_older_metadata(fleet: Fleet) -> None:
    fleet.decide(fleet.bundle(fleet.publish(fleet.built("1.1", 101))))
    newer = fleet.publish(fleet.built("1.2", 102))

    assert fleet.decide(fleet.bundle(newer, have=metadata_versions(fleet.trust))).approved


def test_a_component_that_was_added_later_reaches_running_devices(fleet: Fleet) -> None:
    from surefoot_server.keys.init import init_keys

    fleet.decide(fleet.bundle(fleet.publish(fleet.built())))
    init_keys(fleet.keys, PASSPHRASE, NOW, components=("model",))
    fleet.start_server()
    model = fleet.publish(fleet.built("7", 7, component="model"))

    verified = fleet.decide(fleet.bundle(model, have=metadata_versions(fleet.trust)))

    assert [each.note.component for each in verified.approved] == ["model"]


def test_metadata_is_signed_again_before_it_expires(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    assert not fleet.online.refresh(fleet.now + timedelta(days=3))

    fleet.now += timedelta(days=4)

    assert fleet.online.refresh(fleet.now)
    assert not fleet.online.refresh(fleet.now)
    assert fleet.decide(fleet.bundle(wish), days=3).approved


def test_a_server_that_was_off_for_months_signs_again_at_its_start(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    fleet.now += timedelta(days=90)

    fleet.start_server()

    assert fleet.decide(fleet.bundle(wish)).approved
    assert fleet.halt(fleet.online.halt_list())


def test_a_restart_signs_nothing_that_is_still_fresh(fleet: Fleet) -> None:
    fleet.publish(fleet.built())
    before = fleet.online.hint()

    assert fleet.start_server().hint() == before


def test_a_crash_after_the_role_was_stored_is_mended_at_the_next_start(fleet: Fleet) -> None:
    release = fleet.built()
    (fleet.data / "repo" / "image" / "2.rel-app.json").write_bytes((release / "role.json").read_bytes())

    fleet.start_server()
    wish = fleet.publish(release)

    assert fleet.decide(fleet.bundle(wish)).approved


def test_sequence_numbers_rise_over_restarts_and_threads(fleet: Fleet) -> None:
    seen: list[int] = [fleet.online.next_seq()]
    fleet.start_server()
    threads = [
        threading.Thread(target=lambda: seen.extend(fleet.online.next_seq() for _ in range(50))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(seen)) == 201
    assert min(seen) == seen[0]


def test_a_server_restored_from_yesterdays_backup_is_still_believed(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    backup = {path: path.read_bytes() for path in (fleet.data / "repo").rglob("*") if path.is_file()}
    fleet.now += timedelta(days=1)
    fleet.online.halt(["a" * 64], fleet.now)
    fleet.halt(fleet.online.halt_list())
    fleet.decide(fleet.bundle(wish))
    for path in [path for path in (fleet.data / "repo").rglob("*") if path.is_file()]:
        path.unlink()
    for path, content in backup.items():
        path.write_bytes(content)
    fleet.now += timedelta(days=4)

    fleet.start_server()
    fleet.online.halt([], fleet.now)

    assert fleet.decide(fleet.bundle(wish)).approved
    assert fleet.halt(fleet.online.halt_list())[1] == ()


# The halt list


def test_there_is_a_halt_list_from_the_first_start(fleet: Fleet) -> None:
    epoch, digests = fleet.halt(fleet.online.halt_list())

    assert epoch == fleet.online.hint().halt_epoch > 0
    assert digests == fleet.online.halted() == ()


def test_halting_and_lifting_each_raise_the_epoch(fleet: Fleet) -> None:
    first, _ = fleet.halt(fleet.online.halt_list())
    halted, digests = fleet.halt(fleet.online.halt(["b" * 64, "a" * 64], fleet.now))
    lifted, none = fleet.halt(fleet.online.halt([], fleet.now))

    assert first < halted < lifted
    assert (digests, none) == (("a" * 64, "b" * 64), ())


def test_a_halt_survives_a_restart_and_the_refresh_of_its_signature(fleet: Fleet) -> None:
    fleet.online.halt(["a" * 64], fleet.now)
    before = fleet.online.hint().halt_epoch
    fleet.now += timedelta(days=20)

    fleet.start_server()

    assert fleet.halt(fleet.online.halt_list()) == (fleet.online.hint().halt_epoch, ("a" * 64,))
    assert fleet.online.hint().halt_epoch > before


# Refusals


def test_two_wishes_for_one_component_are_refused_before_they_are_signed(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())

    with pytest.raises(Conflict):
        fleet.bundle(wish, wish)


@pytest.mark.parametrize("name", ["image-snapshot", "image-timestamp", "director", "halt"])
def test_a_server_with_a_key_that_its_roots_do_not_list_does_not_start(fleet: Fleet, name: str) -> None:
    path = key_file(fleet.installed.online_dir, name)
    path.write_bytes(signer_to_pem(new_signer(), None))

    with pytest.raises(ConfigError) as caught:
        OnlineRepository(fleet.installed.repo_dir, fleet.installed.online_dir)

    assert caught.value.kind == "config_invalid"
    assert str(path) in caught.value.message


def test_a_server_whose_key_others_can_read_does_not_start(fleet: Fleet) -> None:
    key_file(fleet.installed.online_dir, "director").chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        OnlineRepository(fleet.installed.repo_dir, fleet.installed.online_dir)

    assert caught.value.kind == "key_permissions"


def test_a_server_without_repository_says_what_is_missing(tmp_path: Path, fleet: Fleet) -> None:
    with pytest.raises(ConfigError) as caught:
        OnlineRepository(tmp_path / "nowhere", fleet.installed.online_dir)

    assert caught.value.kind == "key_missing"


def test_the_bundle_of_a_device_serves_no_other(fleet: Fleet) -> None:
    raw = fleet.online.bundle("cam-99", [], MetadataVersions(), MetadataVersions(), fleet.now)

    assert unpack(raw).device == "cam-99" != DEVICE
    assert all('"x-device":"cam-99"' in text for name, text in unpack(raw).director.items() if "root" not in name)


def test_a_release_that_was_withdrawn_can_no_longer_be_installed(fleet: Fleet) -> None:
    old = fleet.publish(fleet.built("1.1", 101))
    propose_withdrawal(fleet.keys, "app", "1.1", KeyRing(fleet.keys, PASSPHRASE), fleet.now)
    fleet.publish(fleet.built("1.2", 102))

    verified = fleet.decide(fleet.bundle(old))

    assert [each.kind for each in verified.refused] == ["not_released"]
    assert old.digest == digest_of((fleet.folder / "release-app-1.1-count" / "manifest.json").read_bytes())


# Following new keys while it runs


def rotated(fleet: Fleet, *roles: str) -> None:
    assert rotate(fleet.keys, roles, KeyRing(fleet.keys, PASSPHRASE), fleet.now).in_force


def test_a_running_server_follows_keys_that_are_installed(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    fleet.decide(fleet.bundle(wish))
    before = fleet.online.hint()
    rotated(fleet, "director", "halt", "image-snapshot", "image-timestamp")
    assert not fleet.online.refresh(fleet.now)

    install_keys(fleet.keys, fleet.data)

    assert fleet.online.refresh(fleet.now)
    assert fleet.online.hint().director_root == before.director_root + 1
    assert fleet.decide(fleet.bundle(wish, have=metadata_versions(fleet.trust))).approved
    assert not fleet.online.refresh(fleet.now)


def test_a_server_that_was_given_a_root_and_not_its_keys_goes_on_as_before_and_says_so(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    rotated(fleet, "director", "halt")
    root = fleet.keys / "repository" / "director" / "2.root.json"
    (fleet.data / "repo" / "director" / "2.root.json").write_bytes(root.read_bytes())

    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            fleet.online.refresh(fleet.now)

    assert "surefoot keys install" in caught.value.hint
    assert fleet.online.hint().director_root == 1
    fleet.online.halt(["a" * 64], fleet.now)
    assert wish.digest


def test_a_root_that_the_old_keys_did_not_sign_is_not_followed(fleet: Fleet, tmp_path: Path) -> None:
    thief = Fleet(tmp_path / "thief")
    rotated(thief, "director-root")
    root = thief.keys / "repository" / "director" / "2.root.json"
    (fleet.data / "repo" / "director" / "2.root.json").write_bytes(root.read_bytes())

    with pytest.raises(ConfigError) as caught:
        fleet.online.refresh(fleet.now)

    assert "2.root.json" in caught.value.message
    assert fleet.online.hint().director_root == 1


def test_what_only_offline_keys_can_sign_again_is_listed_with_its_end(fleet: Fleet) -> None:
    found = fleet.online.expiring()

    assert set(found) == {"image root 1", "image targets 1", "image rel-app 1", "director root 1"}
    assert found["image rel-app 1"] == NOW + timedelta(days=180)
