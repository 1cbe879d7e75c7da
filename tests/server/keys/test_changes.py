"""Whoever is asked to sign a rotation sees what it changes, whatever the file says about itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tuf.api.metadata import TargetFile

from surefoot_server.keys.changes import changes_of
from surefoot_server.keys.cosign import cosign
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.quorum import Quorum
from surefoot_server.keys.rotate import KeyChange, renew, rotate
from surefoot_server.keys.rotation import Current, read_current
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.repository import build_release_role, policy_target
from surefoot_shared.trust.signing import sign
from tests.server.keys.fleet import NOW
from tests.server.keys.people import People, gathered


@pytest.fixture
def people(tmp_path: Path) -> People:
    return gathered(tmp_path)


def current(people: People) -> Current:
    return read_current(KeyFolder(people.main))


def proposed(path: Path) -> dict[str, bytes]:
    return {name: text.encode() for name, text in json.loads(path.read_text())["files"].items()}


def test_keys_that_come_and_go_are_named_with_their_ids(people: People) -> None:
    done = rotate(people.main, ("image-root",), people.ring("linh"), NOW, KeyChange(replace=("image-root-3",)))

    adds, gone = changes_of(current(people), proposed(done.path))

    assert adds.startswith("image root: adds image-root-4 (")
    assert gone.startswith("image root: takes away image-root-3 (")


def test_a_lower_threshold_is_told(people: People) -> None:
    change = KeyChange(keep=True, quorum=Quorum(1, 3))
    done = rotate(people.main, ("image-release",), people.ring("linh"), NOW, change)

    lines = changes_of(current(people), proposed(done.path))

    assert lines == ("releases of app: 1 of 3 must sign, instead of 2",)


def test_the_halt_key_is_one_of_the_directors(people: People) -> None:
    done = rotate(people.main, ("halt",), people.ring("linh"), NOW)

    assert [line.partition(" (")[0] for line in changes_of(current(people), proposed(done.path))] == [
        "director halt: adds halt-2",
        "director halt: takes away halt",
    ]


def test_new_dates_change_nothing(people: People) -> None:
    done = renew(people.main, ("image-root", "image-targets", "image-release"), people.ring("linh"), NOW)

    assert changes_of(current(people), proposed(done.path)) == ()


def with_entry(people: People, target: TargetFile) -> dict[str, bytes]:
    """A rotation that says it only renews, from somebody who has one key of two."""
    role = current(people).roles["app"]
    newer = build_release_role(role.version + 1, NOW, [*role.targets.values(), target])
    return {f"image/{newer.version}.rel-app.json": sign(newer, ())}


def test_a_policy_is_shown_in_full(people: People) -> None:
    (line,) = changes_of(current(people), with_entry(people, policy_target(Policy("app", min_svn=3))))

    assert line.startswith("rel-app: policy/app.json says {")
    assert '"min_svn":3' in line


def test_a_release_that_is_hidden_in_a_rotation_is_refused_before_anything_is_signed(people: People) -> None:
    evil = TargetFile(1, {"sha256": "6" * 64}, "releases/app/6.6/manifest.json")
    files = with_entry(people, evil)
    path = people.folder / "rotation.json"
    texts = {name: raw.decode() for name, raw in files.items()}
    path.write_text(json.dumps({"v": 1, "why": "New dates for image-release.", "files": texts}))

    for act in (
        lambda: changes_of(current(people), files),
        lambda: cosign(path, people.machine("ana"), people.ring("ana", people.machine("ana"))),
    ):
        with pytest.raises(UntrustedRelease) as caught:
            act()
        assert caught.value.kind == "target_mismatch"
    assert json.loads(path.read_text())["files"] == texts
