"""Which files a change of keys makes, who must sign each, and what is refused as no successor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from surefoot_server.keys.image import newest_root
from surefoot_server.keys.init import init_keys
from surefoot_server.keys.layout import OFFLINE, ONLINE, KeyFolder
from surefoot_server.keys.rotation import (
    Current,
    Rotation,
    delegators_of,
    key_role_of,
    parse_rotation,
    read_current,
    role_keys,
    rotated,
    standings,
)
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.trust.signing import RoleKeys, new_signer
from tests.server.keys.fleet import NOW, PASSPHRASE


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Current:
    folder = tmp_path_factory.mktemp("keys")
    init_keys(folder, PASSPHRASE, NOW, components=("app", "model"))
    return read_current(KeyFolder(folder))


def new_keys(role: str) -> dict[str, RoleKeys]:
    return {role: RoleKeys((new_signer().public_key,))}


FILES = {
    "image-root": {"image/2.root.json"},
    "image-snapshot": {"image/2.root.json"},
    "image-timestamp": {"image/2.root.json"},
    "image-targets": {"image/2.root.json", "image/2.targets.json"},
    "image-release": {"image/2.targets.json", "image/2.rel-app.json", "image/2.rel-model.json"},
    "director-root": {"director/2.root.json"},
    "director": {"director/2.root.json"},
    "halt": {"director/2.root.json"},
}


@pytest.mark.parametrize("role", [*OFFLINE, *ONLINE])
def test_exactly_the_files_that_must_follow_are_made(current: Current, role: str) -> None:
    assert rotated(current, new_keys(role), NOW).keys() == FILES[role]


@pytest.mark.parametrize(
    ("role", "file"),
    [("image-root", "image/2.root.json"), ("image-targets", "image/2.targets.json")],
)
def test_a_renewal_makes_only_the_file_itself(current: Current, role: str, file: str) -> None:
    assert rotated(current, {}, NOW, renew=[role]).keys() == {file}


@pytest.mark.parametrize("role", [*OFFLINE, *ONLINE])
def test_the_new_files_name_the_new_keys_and_leave_every_other_role_alone(
    current: Current, role: str, tmp_path: Path
) -> None:
    from tuf.api.metadata import Metadata, Root, Targets

    change = new_keys(role)
    files = rotated(current, change, NOW)

    image = Metadata[Root].from_bytes(files.get("image/2.root.json") or Metadata(current.image).to_bytes()).signed
    director = (
        Metadata[Root].from_bytes(files.get("director/2.root.json") or Metadata(current.director).to_bytes()).signed
    )
    top = Metadata[Targets].from_bytes(files.get("image/2.targets.json") or Metadata(current.targets).to_bytes()).signed
    after = Current(image, director, top, current.roles)
    for each in (*OFFLINE, *ONLINE):
        expected = change[each] if each == role else role_keys(current, each)
        assert {key.keyid for key in role_keys(after, each).keys} == {key.keyid for key in expected.keys}
    assert image.unrecognized_fields["x-repo"] == "image"
    assert director.unrecognized_fields["x-fleet"] == "fleet"


def test_a_new_root_is_judged_by_the_old_one_and_by_itself(current: Current) -> None:
    files = rotated(current, new_keys("image-root"), NOW)

    assert [each.signed.version for each in delegators_of(current, files)["image/2.root.json"]] == [1, 2]
    assert standings(current, files)["image/2.root.json"].missing == 2


def test_new_targets_are_judged_by_the_root_that_comes_with_them(current: Current) -> None:
    files = rotated(current, new_keys("image-targets"), NOW)

    (judge,) = delegators_of(current, files)["image/2.targets.json"]

    assert (judge.signed.version, judge.role) == (2, "targets")


def altered(files: Mapping[str, bytes], old: str, new: str) -> dict[str, bytes]:
    return {name: raw.replace(old.encode(), new.encode()) for name, raw in files.items()}


def test_a_root_of_the_other_repository_or_of_another_fleet_is_no_successor(current: Current) -> None:
    files = rotated(current, new_keys("image-root"), NOW)

    for old, new in (('"x-repo":"image"', '"x-repo":"director"'), (':"fleet"', ':"north"')):
        other = altered(files, old, new)
        with pytest.raises(UntrustedRelease) as caught:
            delegators_of(current, other)
        assert caught.value.kind == "wrong_repository"


def test_a_version_may_neither_be_skipped_nor_lie_about_itself(current: Current) -> None:
    (raw,) = rotated(current, new_keys("image-root"), NOW).values()

    for name, content in (
        ("image/3.root.json", raw.replace(b'"version":2', b'"version":3')),
        ("image/7.root.json", raw),
        ("image/1.root.json", raw.replace(b'"version":2', b'"version":1')),
    ):
        with pytest.raises(UntrustedRelease):
            delegators_of(current, {name: content})


def test_a_release_role_that_nobody_delegates_is_refused(current: Current) -> None:
    raw = rotated(current, {}, NOW, renew=["image-release"])["image/2.rel-app.json"]

    with pytest.raises(UntrustedRelease):
        delegators_of(current, {"image/2.rel-other.json": raw})


@pytest.mark.parametrize(
    "name",
    ["", "image", "image/../x", "image/2.snapshot.json", "director/2.targets.json", "x/2.rel-app.json", "a/b.c.d.e"],
)
def test_a_name_that_is_no_offline_file_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        key_role_of(name)


def test_a_rotation_file_survives_being_written_and_read() -> None:
    rotation = Rotation({"image/2.root.json": "{}"}, "New keys.")

    assert parse_rotation(wire.encode(rotation)) == rotation


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"v":1}', b'{"v":2,"files":{"a":"b"}}', b'{"v":1,"files":{}}'])
def test_what_is_no_rotation_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        parse_rotation(raw)


def test_what_is_current_is_the_newest_that_the_folder_has(tmp_path: Path) -> None:
    init_keys(tmp_path, PASSPHRASE, NOW)

    found = read_current(KeyFolder(tmp_path))

    assert found.image.to_dict() == newest_root(KeyFolder(tmp_path).image).to_dict()
    assert set(found.roles) == {"app"}
