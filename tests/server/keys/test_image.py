"""What the server accepts as a release: only what the release keys signed, newer than before, with unchanged bytes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_server.keys.init import RELEASE_ROLE_LIFETIME
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import ConfigError, Conflict, NotFound, SurefootError, UntrustedRelease
from surefoot_shared.release import note_of, parse_manifest
from surefoot_shared.trust.repository import build_release_role, release_target
from surefoot_shared.trust.signing import new_signer, sign
from tests.server.keys.fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def refused(fleet: Fleet, role: bytes, manifest: bytes) -> SurefootError:
    before = fleet.online.hint()
    with pytest.raises(SurefootError) as caught:
        fleet.online.accept_release(role, manifest)
    assert fleet.online.hint() == before
    return caught.value


def files(release: Path) -> tuple[bytes, bytes]:
    return (release / "role.json").read_bytes(), (release / "manifest.json").read_bytes()


def test_accepting_a_release_returns_its_signed_note_and_signs_the_repository_again(fleet: Fleet) -> None:
    role, manifest = files(fleet.built())
    before = fleet.online.hint().image_timestamp

    note = fleet.online.accept_release(role, manifest)

    assert note == note_of(parse_manifest(manifest))
    assert fleet.online.hint().image_timestamp > before


def test_publishing_the_same_release_twice_changes_nothing(fleet: Fleet) -> None:
    role, manifest = files(fleet.built())
    fleet.online.accept_release(role, manifest)
    before = fleet.online.hint()

    fleet.online.accept_release(role, manifest)

    assert fleet.online.hint() == before


def test_releases_may_be_published_in_another_order_than_they_were_signed(fleet: Fleet) -> None:
    first, second = fleet.built("1.1", 101), fleet.built("1.2", 102)
    fleet.publish(second)

    wish = fleet.publish(first)

    assert fleet.decide(fleet.bundle(wish)).approved


def test_a_role_that_is_older_and_lists_something_else_is_refused(fleet: Fleet) -> None:
    old = files(fleet.built("1.1", 101))
    (fleet.keys / "repository" / "image" / "2.rel-app.json").unlink()
    fleet.publish(fleet.built("1.2", 102))

    assert refused(fleet, *old).kind == "metadata_rollback"


def test_a_role_signed_with_another_key_is_refused(fleet: Fleet) -> None:
    _, manifest = files(fleet.built())
    forged = sign(build_release_role(9, NOW + timedelta(days=1), [release_target(manifest)]), [new_signer()])

    assert refused(fleet, forged, manifest).kind == "metadata_untrusted"


def test_an_altered_role_is_refused(fleet: Fleet) -> None:
    role, manifest = files(fleet.built())
    value = json.loads(role)
    value["signed"]["version"] = 99

    assert refused(fleet, json.dumps(value).encode(), manifest).kind == "metadata_untrusted"


def test_an_altered_manifest_is_refused(fleet: Fleet) -> None:
    role, manifest = files(fleet.built())

    assert refused(fleet, role, manifest.replace(b'"counter":101', b'"counter":102')).kind == "target_mismatch"


def test_a_manifest_of_another_release_is_refused(fleet: Fleet) -> None:
    role, _ = files(fleet.built("1.1", 101))
    _, other = files(fleet.built("1.2", 102))

    assert refused(fleet, role, other).kind == "target_mismatch"


@pytest.mark.parametrize(("role", "manifest"), [(b"", None), (b"{}", None), (None, b""), (None, b"{}")])
def test_junk_is_refused(fleet: Fleet, role: bytes | None, manifest: bytes | None) -> None:
    good_role, good_manifest = files(fleet.built())

    error = refused(fleet, good_role if role is None else role, good_manifest if manifest is None else manifest)

    assert isinstance(error, UntrustedRelease)


def test_an_expired_role_is_refused(fleet: Fleet) -> None:
    release = fleet.built()
    fleet.now += RELEASE_ROLE_LIFETIME

    assert refused(fleet, *files(release)).kind == "metadata_expired"


def test_a_version_cannot_be_released_again_with_other_bytes(fleet: Fleet) -> None:
    fleet.publish(fleet.built("1.1", 101))
    (fleet.keys / "repository" / "image" / "2.rel-app.json").unlink()
    changed = fleet.built("1.1", 101, text="changed")
    newer = fleet.keys / "repository" / "image" / "2.rel-app.json"
    newer.rename(newer.with_name("3.rel-app.json"))

    twice = fleet.built("1.2", 102)

    assert isinstance(refused(fleet, *files(twice)), Conflict)
    assert refused(fleet, *files(changed)).kind == "metadata_rollback"


def test_a_component_without_keys_is_not_found(tmp_path: Path, fleet: Fleet) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "weights").write_bytes(b"w")
    release = build_release(tree, Recipe("model", "1", 1, hw=("rpi5",)), tmp_path / "release-model")

    error = refused(fleet, files(fleet.built())[0], release.raw)

    assert isinstance(error, NotFound)
    assert "--component model" in error.hint


@pytest.mark.parametrize("name", ["1.root.json", "1.targets.json", "1.rel-app.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_a_repository_with_a_damaged_or_missing_file_does_not_start(
    fleet: Fleet, name: str, content: bytes | None
) -> None:
    path = fleet.installed.repo_dir / "image" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError):
        OnlineRepository(fleet.installed.repo_dir, fleet.installed.online_dir)


def test_old_snapshots_are_cleared_away(fleet: Fleet) -> None:
    for number in range(3):
        fleet.publish(fleet.built(f"1.{number}", 100 + number))

    assert len(list((fleet.installed.repo_dir / "image").glob("*.snapshot.json"))) == 1
