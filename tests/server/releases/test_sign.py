"""Signing: the role grows by what was built, never changes what was signed, and needs the right keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from surefoot_server.keys.init import init_keys
from surefoot_server.keys.layout import KeyFolder, versions_of
from surefoot_server.keys.offline import RELEASE_ROLE_LIFETIME
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import sign_release
from surefoot_shared.errors import ConfigError, Conflict, Invalid, NotFound
from tests.server.keys.fleet import NOW, PASSPHRASE


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    init_keys(tmp_path / "keys", PASSPHRASE, NOW)
    return tmp_path / "keys"


def built(tmp_path: Path, version: str = "1.1", text: str = "x", component: str = "app") -> Path:
    tree = tmp_path / f"tree-{version}-{text}"
    tree.mkdir()
    (tree / "file").write_text(text)
    recipe = Recipe(component, version, 1, hw=("rpi5",))
    return build_release(tree, recipe, tmp_path / f"release-{version}-{text}").folder


def role_of(raw: bytes) -> Targets:
    return Metadata[Targets].from_bytes(raw).signed


def test_the_new_role_lists_every_release_signed_so_far(tmp_path: Path, keys: Path) -> None:
    first = sign_release(built(tmp_path, "1.0"), keys, PASSPHRASE, NOW)
    second = sign_release(built(tmp_path, "1.1"), keys, PASSPHRASE, NOW)

    assert (first.role_version, second.role_version) == (2, 3)
    assert second.listed == ("1.0", "1.1")
    role = role_of(second.role_file.read_bytes())
    assert role.targets["releases/app/1.1/manifest.json"].hashes == {"sha256": second.digest}
    assert role.expires == NOW + RELEASE_ROLE_LIFETIME


def test_the_keys_folder_and_the_release_hold_the_same_role(tmp_path: Path, keys: Path) -> None:
    signed = sign_release(built(tmp_path), keys, PASSPHRASE, NOW)

    kept = (KeyFolder(keys).image / "2.rel-app.json").read_bytes()
    assert kept == signed.role_file.read_bytes()
    assert (signed.role_file.parent / "targets.json").read_bytes() == (
        KeyFolder(keys).image / "1.targets.json"
    ).read_bytes()


def test_signing_the_same_release_again_renews_the_role(tmp_path: Path, keys: Path) -> None:
    release = built(tmp_path)
    sign_release(release, keys, PASSPHRASE, NOW)

    again = sign_release(release, keys, PASSPHRASE, NOW)

    assert (again.role_version, again.listed) == (3, ("1.1",))


def test_a_version_that_was_signed_never_gets_other_bytes(tmp_path: Path, keys: Path) -> None:
    sign_release(built(tmp_path, text="x"), keys, PASSPHRASE, NOW)
    changed = built(tmp_path, text="y")

    with pytest.raises(Conflict):
        sign_release(changed, keys, PASSPHRASE, NOW)

    assert versions_of(KeyFolder(keys).image, "rel-app") == [1, 2]
    assert not (changed / "role.json").exists()


def test_a_wrong_passphrase_signs_nothing(tmp_path: Path, keys: Path) -> None:
    release = built(tmp_path)

    with pytest.raises(ConfigError):
        sign_release(release, keys, b"wrong passphrase", NOW)

    assert versions_of(KeyFolder(keys).image, "rel-app") == [1]
    assert not (release / "role.json").exists()


def test_a_component_without_keys_says_how_to_make_them(tmp_path: Path, keys: Path) -> None:
    with pytest.raises(NotFound) as caught:
        sign_release(built(tmp_path, component="model"), keys, PASSPHRASE, NOW)

    assert "--component model" in caught.value.hint


def test_a_folder_without_keys_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        sign_release(built(tmp_path), tmp_path / "nowhere", PASSPHRASE, NOW)

    assert caught.value.kind == "key_missing"


def test_a_damaged_release_is_not_signed(tmp_path: Path, keys: Path) -> None:
    release = built(tmp_path)
    next((release / "blobs").iterdir()).unlink()

    with pytest.raises(Invalid):
        sign_release(release, keys, PASSPHRASE, NOW)
