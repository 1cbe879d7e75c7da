"""Rotating, revoking and renewing, seen by a device that follows: the runbooks of docs/keys.md."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_server.keys.cosign import cosign
from surefoot_server.keys.files import new_personal_key, read_key
from surefoot_server.keys.layout import OFFLINE, ONLINE, KeyFolder
from surefoot_server.keys.quorum import Quorum
from surefoot_server.keys.rotate import KeyChange, renew, revoke, roles_of, rotate
from surefoot_server.keys.rotation import read_current, role_keys
from surefoot_server.keys.signers import KeyRing, name_of
from surefoot_shared.errors import ConfigError, Conflict, Invalid, NotFound, UntrustedRelease
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import sign_assignments
from surefoot_shared.trust.versions import metadata_versions
from tests.server.keys.fleet import DEVICE, NOW, PASSPHRASE, Fleet
from tests.server.keys.people import gathered


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def ring(fleet: Fleet) -> KeyRing:
    return KeyRing(fleet.keys, PASSPHRASE)


def keyids(folder: Path, role: str) -> set[str]:
    return {key.keyid for key in role_keys(read_current(KeyFolder(folder)), role).keys}


@pytest.mark.parametrize(
    "roles",
    [
        ("image-root",),
        ("director-root",),
        ("image-targets",),
        ("image-release",),
        ("image-snapshot", "image-timestamp"),
        ("director", "halt"),
        (*OFFLINE, *ONLINE),
    ],
)
def test_a_device_follows_every_rotation_and_goes_on_updating(fleet: Fleet, roles: tuple[str, ...]) -> None:
    fleet.decide(fleet.bundle(fleet.publish(fleet.built("1.1", 101))))
    fleet.halt(fleet.online.halt_list())
    before = {role: keyids(fleet.keys, role) for role in roles}

    done = rotate(fleet.keys, roles, ring(fleet), NOW)
    fleet.start_server()
    newer = fleet.publish(fleet.built("1.2", 102))
    verified = fleet.decide(fleet.bundle(newer, have=metadata_versions(fleet.trust)))

    assert done.in_force
    assert [each.note for each in verified.approved] == [newer.note]
    assert all(keyids(fleet.keys, role).isdisjoint(before[role]) for role in roles)
    assert fleet.halt(fleet.online.halt_list())[0] > 0


def test_a_stolen_director_key_is_worthless_once_the_device_has_seen_the_new_root(fleet: Fleet) -> None:
    wish = fleet.publish(fleet.built())
    fleet.decide(fleet.bundle(wish))
    stolen = read_key(fleet.keys / "online", "director")

    rotate(fleet.keys, ("director", "halt"), ring(fleet), NOW)
    fleet.start_server()
    fleet.decide(fleet.bundle(have=metadata_versions(fleet.trust)))
    forged = sign_assignments(DEVICE, [wish], fleet.online.next_seq(), NOW, stolen)

    with pytest.raises(UntrustedRelease):
        fleet.decide(pack(Bundle(DEVICE, forged, {})))


def test_a_device_with_the_old_root_still_believes_the_halt_list_after_a_planned_rotation(fleet: Fleet) -> None:
    rotate(fleet.keys, ("director", "halt"), ring(fleet), NOW)
    fleet.start_server()

    raw = fleet.online.halt(["a" * 64], NOW)

    assert fleet.halt(raw)[1] == ("a" * 64,)


def test_a_stolen_halt_key_signs_no_more_after_it_was_revoked(fleet: Fleet) -> None:
    rotate(fleet.keys, ("halt",), ring(fleet), NOW)
    (key,) = role_keys(read_current(KeyFolder(fleet.keys)), "halt").keys

    revoke(fleet.keys, key.keyid, ring(fleet), NOW)
    fleet.start_server()

    assert not (fleet.keys / "online" / "halt-retired.pem").exists()
    assert not (fleet.data / "keys" / "halt-retired.pem").exists()
    with pytest.raises(UntrustedRelease):
        fleet.halt(fleet.online.halt_list())  # this device has the first root
    fleet.decide(fleet.bundle())
    fleet.halt(fleet.online.halt_list())


def test_one_lost_root_key_is_replaced_by_the_others(tmp_path: Path) -> None:
    people = gathered(tmp_path)
    (people.stick("third") / "image-root-3.pem").unlink()
    both = KeyRing(people.main, PASSPHRASE, offline=(people.stick("first"), people.stick("second")))

    done = rotate(people.main, ("image-root",), both, NOW, KeyChange(replace=("image-root-3",)))

    assert done.in_force
    names = [name_of(key) for key in role_keys(read_current(KeyFolder(people.main)), "image-root").keys]
    assert names == ["image-root-1", "image-root-2", "image-root-4"]


def test_with_fewer_keys_than_the_threshold_no_root_can_be_made_and_that_is_said(tmp_path: Path) -> None:
    people = gathered(tmp_path)

    done = rotate(people.main, ("image-root",), people.ring("first"), NOW, KeyChange(replace=("image-root-3",)))

    assert not done.in_force
    standing = done.standings["image/2.root.json"]
    assert standing.missing == 1
    assert "image-root-2" in standing.may_sign
    assert read_current(KeyFolder(people.main)).image.version == 1


def test_a_threshold_is_raised_with_keys_that_people_made_themselves(fleet: Fleet, tmp_path: Path) -> None:
    public = [str(new_personal_key(tmp_path / name, name, PASSPHRASE)[1]) for name in ("second", "third")]

    change = KeyChange(keep=True, add=tuple(public), quorum=Quorum(2, 3))
    done = rotate(fleet.keys, ("image-release",), ring(fleet), NOW, change)

    assert not done.in_force
    assert "second" in done.standings["image/2.rel-app.json"].may_sign
    second = KeyRing(fleet.keys, PASSPHRASE, offline=(tmp_path / "second",))
    assert cosign(done.path, fleet.keys, second).in_force
    found = role_keys(read_current(KeyFolder(fleet.keys)), "image-release")
    assert (found.threshold, [name_of(key) for key in found.keys]) == (2, ["image-release", "second", "third"])


def test_new_online_keys_wait_until_the_root_that_lists_them_is_signed(tmp_path: Path) -> None:
    people = gathered(tmp_path)
    old = (people.main / "online" / "director.pem").read_bytes()

    done = rotate(people.main, ("director",), people.ring("first"), NOW)
    assert (people.main / "online" / "director.pem").read_bytes() == old
    Fleet.serving(people.main, tmp_path / "data")

    assert cosign(done.path, people.main, people.ring("second")).in_force
    assert (people.main / "online" / "director.pem").read_bytes() != old
    assert not (people.main / "pending").exists()
    Fleet.serving(people.main, tmp_path / "data")


def test_a_revoked_key_is_found_by_its_name_or_the_beginning_of_its_id(fleet: Fleet) -> None:
    current = read_current(KeyFolder(fleet.keys))
    (key,) = role_keys(current, "image-release").keys

    assert roles_of(current, "image-release") == roles_of(current, key.keyid[:8]) == ("image-release",)
    assert roles_of(current, key.keyid[:4]) == ()


def test_revoking_what_nobody_has_changes_nothing(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        revoke(fleet.keys, "image-root-9", ring(fleet), NOW)
    with pytest.raises(NotFound):
        rotate(fleet.keys, ("image-root",), ring(fleet), NOW, KeyChange(replace=("image-root-9",)))

    assert not (fleet.keys / "pending").exists()


def test_a_renewed_root_keeps_its_keys_and_gets_a_year(fleet: Fleet) -> None:
    before = keyids(fleet.keys, "image-root")
    fleet.now = NOW + timedelta(days=300)

    done = renew(fleet.keys, ("image-root", "director-root", "image-targets", "image-release"), ring(fleet), fleet.now)
    fleet.start_server()

    assert done.in_force
    assert keyids(fleet.keys, "image-root") == before
    assert read_current(KeyFolder(fleet.keys)).image.expires == fleet.now + timedelta(days=365)
    fleet.now = NOW + timedelta(days=400)
    fleet.online.refresh(fleet.now)
    verified = fleet.decide(fleet.bundle())
    assert (verified.image.root, verified.director.root) == (2, 2)


def test_only_what_offline_keys_sign_can_be_renewed(fleet: Fleet) -> None:
    with pytest.raises(Invalid):
        renew(fleet.keys, ("director",), ring(fleet), NOW)


def test_a_second_rotation_waits_for_the_first(tmp_path: Path) -> None:
    people = gathered(tmp_path)
    rotate(people.main, ("image-root",), people.ring("first"), NOW)

    with pytest.raises(Conflict) as caught:
        rotate(people.main, ("director-root",), people.ring("first"), NOW)

    assert "rotation.json" in caught.value.hint


def test_a_rotation_that_nobody_here_can_sign_leaves_no_key_behind(tmp_path: Path) -> None:
    people = gathered(tmp_path)
    nobody = KeyRing(people.main, PASSPHRASE, offline=(tmp_path / "empty",))

    with pytest.raises(ConfigError):
        rotate(people.main, ("director",), nobody, NOW)

    assert not (people.main / "pending").exists()
    assert not list(tmp_path.glob("empty/*"))


def test_a_wrong_passphrase_leaves_everything_as_it_was(fleet: Fleet) -> None:
    files = {path: path.read_bytes() for path in fleet.keys.rglob("*") if path.is_file() and path.name != "lock"}

    with pytest.raises(ConfigError):
        rotate(fleet.keys, ("image-root", "director"), KeyRing(fleet.keys, b"wrong passphrase"), NOW)

    assert {p: p.read_bytes() for p in fleet.keys.rglob("*") if p.is_file() and p.name != "lock"} == files


def test_the_two_roots_never_share_a_key(fleet: Fleet, tmp_path: Path) -> None:
    public = str(new_personal_key(tmp_path / "second", "second", PASSPHRASE)[1])
    rotate(fleet.keys, ("image-root",), ring(fleet), NOW, KeyChange(keep=True, add=(public,)))

    with pytest.raises(Invalid, match="second would sign for image-root and for director-root"):
        rotate(fleet.keys, ("director-root",), ring(fleet), NOW, KeyChange(keep=True, add=(public,)))


def test_the_servers_roles_have_one_key(fleet: Fleet) -> None:
    with pytest.raises(Invalid):
        rotate(fleet.keys, ("director",), ring(fleet), NOW, KeyChange(quorum=Quorum(2, 3)))


def test_no_name_is_given_twice_even_if_the_key_was_retired(fleet: Fleet) -> None:
    for _ in range(2):
        rotate(fleet.keys, ("image-root",), ring(fleet), NOW)

    assert sorted(path.stem for path in (fleet.keys / "offline").glob("image-root*")) == [
        "image-root", "image-root-2", "image-root-3",
    ]  # fmt: skip
