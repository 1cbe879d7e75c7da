"""Whoever is asked to sign a rotation sees what it changes, whatever the file says about itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, TargetFile, Targets

from surefoot_server.keys.changes import changes_of, dates_of
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
    done = rotate(people.main, ("image-root",), people.ring("first"), NOW, KeyChange(replace=("image-root-3",)))

    adds, gone = changes_of(current(people), proposed(done.path))

    assert adds.startswith("image root: adds image-root-4 (")
    assert gone.startswith("image root: takes away image-root-3 (")


def test_a_lower_threshold_is_told(people: People) -> None:
    change = KeyChange(keep=True, quorum=Quorum(1, 3))
    done = rotate(people.main, ("image-release",), people.ring("first"), NOW, change)

    lines = changes_of(current(people), proposed(done.path))

    assert lines == ("releases of app: 1 of 3 must sign, instead of 2",)


def test_the_halt_key_is_one_of_the_directors(people: People) -> None:
    done = rotate(people.main, ("halt",), people.ring("first"), NOW)

    assert [line.partition(" (")[0] for line in changes_of(current(people), proposed(done.path))] == [
        "director halt: adds halt-2",
        "director halt: takes away halt",
    ]


def test_new_dates_change_nothing(people: People) -> None:
    done = renew(people.main, ("image-root", "image-targets", "image-release"), people.ring("first"), NOW)

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
        lambda: cosign(path, people.machine("second"), people.ring("second", people.machine("second"))),
    ):
        with pytest.raises(UntrustedRelease) as caught:
            act()
        assert caught.value.kind == "target_mismatch"
    assert json.loads(path.read_text())["files"] == texts


def hides_a_release_in_the_top_level(people: People) -> dict[str, bytes]:
    (name, raw), *_ = proposed(renew(people.main, ("image-targets",), people.ring("first"), NOW).path).items()
    top = Metadata[Targets].from_bytes(raw).signed
    top.targets["releases/app/6.6/manifest.json"] = TargetFile(
        1, {"sha256": "6" * 64}, "releases/app/6.6/manifest.json"
    )
    return {name: sign(top, ())}


def widens_what_a_component_may_list(people: People) -> dict[str, bytes]:
    (name, raw), *_ = proposed(renew(people.main, ("image-targets",), people.ring("first"), NOW).path).items()
    top = Metadata[Targets].from_bytes(raw).signed
    assert top.delegations is not None
    assert top.delegations.roles is not None
    top.delegations.roles["rel-app"].paths = ["releases/*/*/manifest.json"]  # type: ignore[attr-defined]
    return {name: sign(top, ())}


def hands_releases_on_to_another_key(people: People) -> dict[str, bytes]:
    role = current(people).roles["app"]
    newer = build_release_role(role.version + 1, NOW, role.targets.values())
    key = next(iter(current(people).image.keys.values()))
    newer.delegations = Delegations(
        {key.keyid: key}, {"evil": DelegatedRole("evil", [key.keyid], 1, True, ["releases/app/*/manifest.json"])}
    )
    return {f"image/{newer.version}.rel-app.json": sign(newer, ())}


def says_something_unknown_in_a_root(people: People) -> dict[str, bytes]:
    (name, raw), *_ = proposed(renew(people.main, ("director-root",), people.ring("first"), NOW).path).items()
    root = Metadata[Root].from_bytes(raw).signed
    root.unrecognized_fields["x-more"] = True
    return {name: sign(root, ())}


@pytest.mark.parametrize(
    "hidden",
    [
        hides_a_release_in_the_top_level,
        widens_what_a_component_may_list,
        hands_releases_on_to_another_key,
        says_something_unknown_in_a_root,
    ],
)
def test_what_cannot_be_told_is_not_signed(people: People, hidden: Callable[[People], dict[str, bytes]]) -> None:
    with pytest.raises(UntrustedRelease, match="holds more than can be shown"):
        changes_of(current(people), hidden(people))


def test_dates_are_told_so_that_nobody_signs_for_ten_years_unseen(people: People) -> None:
    done = renew(people.main, ("image-root", "image-release"), people.ring("first"), NOW)

    role, root = sorted(dates_of(proposed(done.path)), key=lambda line: ".root." in line)

    assert role.startswith("image/2.rel-app.json: until 20")
    assert root.startswith("image/2.root.json: until 20")
    assert ", dated 20" in root
