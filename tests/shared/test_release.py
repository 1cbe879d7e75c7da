"""A manifest that could harm a device cannot be built."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tracemalloc
from typing import Any

import pytest

from surefoot_shared import release, wire
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.image import NO_BLOB
from surefoot_shared.paths import check_tree_path
from surefoot_shared.release import (
    Application,
    CheckKind,
    HealthCheck,
    Manifest,
    Probation,
    SlotKind,
    TreeFile,
    digest_of,
    manifest_bytes,
    note_of,
    parse_manifest,
)
from tests.shared.examples import IMAGE_MANIFEST, MANIFEST, ONE

BAD_PATHS = [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "a\\b",
    "..",
    ".",
    "a\nb",
    "a\x00b",
    "a/..",
]


def file(path: str, mode: int = 0o644, size: int = 1, sha256: str = ONE) -> TreeFile:
    return TreeFile(path, mode, size, sha256)


def change(**fields: Any) -> bytes:
    return json.dumps(json.loads(manifest_bytes(MANIFEST)) | fields).encode()


@pytest.mark.parametrize("path", ["a", "bin/app", "a.b/c-d/e_f", "...", "a..b", "ünïcode", "with space"])
def test_a_path_inside_the_tree_is_one(path: str) -> None:
    assert check_tree_path(path) == path


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leads_out_of_the_tree_or_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"not a path inside the tree|has a name"):
        file(path)
    with pytest.raises(ValueError, match=r"not a path inside the tree|has a name"):
        Application((path,))


@pytest.mark.parametrize("mode", [0, 0o777, 0o4755, 0o600, 0o666, -1])
def test_a_file_is_plain_or_executable_and_never_setuid(mode: int) -> None:
    with pytest.raises(ValueError, match="not 644 or 755"):
        file("a", mode)


@pytest.mark.parametrize(("size", "sha256"), [(-1, ONE), (1, "x" * 64), (1, "A" * 64), (1, ""), (1, "1" * 63)])
def test_a_file_has_a_size_and_a_hash(size: int, sha256: str) -> None:
    with pytest.raises(ValueError, match="size or sha256"):
        file("a", size=size, sha256=sha256)


def test_a_manifest_survives_its_bytes() -> None:
    assert parse_manifest(manifest_bytes(MANIFEST)) == MANIFEST


def test_a_file_that_another_release_holds_too_is_in_memory_once() -> None:
    before = dataclasses.replace(MANIFEST, files=(file("a"), file("b"), file("c")), application=None)
    after = dataclasses.replace(before, files=(file("a"), file("b", size=2), file("c", mode=0o755)))

    made = parse_manifest(manifest_bytes(after), before.files)

    assert made == after
    assert [here is there for here, there in zip(made.files, before.files, strict=True)] == [True, False, False]


def test_a_long_list_of_files_is_not_in_memory_as_json_too() -> None:
    files = tuple(file(f"site-packages/part_{n}/module.py", sha256=f"{n:064x}") for n in range(3000))
    raw = manifest_bytes(dataclasses.replace(MANIFEST, files=files, application=None))

    tracemalloc.start()
    try:
        made = parse_manifest(raw)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert made.files == files
    assert peak < kept + 1.8 * len(raw)  # its text, and what finds twins; 2.4 with the list as JSON beside it


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "644"}, r"Manifest\.files\[1\]\.mode must be int"),
        ({"path": "../x"}, r"Manifest\.files\[1\]: '\.\./x' is not a path"),
        ({"sha256": "ff"}, r"Manifest\.files\[1\]: b: size or sha256"),
    ],
)
def test_a_wrong_file_is_named_by_its_place_in_the_list(wrong: dict[str, Any], said: str) -> None:
    files = [{"path": name, "mode": 0o644, "size": 1, "sha256": ONE} for name in ("a", "b")]
    files[1] |= wrong

    with pytest.raises(UntrustedRelease, match=said):
        parse_manifest(change(files=files, application=None))


def test_the_digest_is_the_sha256_of_the_bytes_and_changes_with_any_of_them() -> None:
    raw = manifest_bytes(MANIFEST)

    assert digest_of(raw) == hashlib.sha256(raw).hexdigest()
    assert digest_of(manifest_bytes(dataclasses.replace(MANIFEST, notes="other"))) != digest_of(raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"component": "App"},
        {"component": "../app"},
        {"component": ""},
        {"version": ""},
        {"version": "1/2"},
        {"version": "../1"},
        {"counter": 0},
        {"counter": -1},
        {"counter": 1 << 70},
        {"svn": -1},
        {"hw": []},
        {"slot": "disk"},
        {"v": 2},
        {"files": [{"path": "../x", "mode": 420, "size": 1, "sha256": ONE}]},
        {"files": [{"path": "a", "mode": 2541, "size": 1, "sha256": ONE}]},
        {"application": {"argv": []}},
        {"application": {"argv": ["/bin/sh"]}},
        {"application": {"argv": ["bin/app", "a\0b"]}},
        {"data": {"forward": ["bin/app", "a\0b"]}},
        {"application": {"argv": ["bin/app"], "stop_s": 0}},
        {"application": {"argv": ["bin/app"], "stop_s": 1e6}},
        {"probation": {"soak_s": 90_000}},
        {"probation": {"startup_s": 0}},
        {"probation": {"steady": 0}},
        {"data": {"forward": ["../up"]}},
        {"data": {"backward": ["/bin/sh"]}},
        {"data": {"irreversible": [""]}},
        {"data": {"forward": ["up"], "snapshot": False}},
        {"data": {"timeout_s": 0}},
        {"data": {"timeout_s": 86400}},
        {"checks": [{"name": "c", "kind": "magic"}]},
        {"checks": [{"name": "C!", "kind": "process"}]},
        {"checks": [{"name": "c", "kind": "process", "k": 3, "n": 2}]},
        {"checks": [{"name": "c", "kind": "process", "timeout_s": 0}]},
        {"checks": [{"name": "c", "kind": "process", "interval_s": -1}]},
        {"checks": [{"name": "c", "kind": "process", "params": {"x": []}}]},
    ],
)
def test_a_manifest_that_makes_no_sense_is_an_untrusted_release(fields: dict[str, Any]) -> None:
    with pytest.raises(UntrustedRelease) as caught:
        parse_manifest(change(**fields))

    assert caught.value.kind == "manifest_malformed"


def test_two_paths_that_a_case_blind_disk_would_merge_are_refused() -> None:
    with pytest.raises(ValueError, match="upper and lower case"):
        dataclasses.replace(MANIFEST, files=(file("a/README"), file("a/readme")))


def test_a_path_that_is_a_file_and_a_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="'a/b' is a file and a folder"):
        dataclasses.replace(MANIFEST, files=(file("a/b"), file("a/b/c")))


def test_a_manifest_beyond_its_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "MANIFEST_LIMIT_BYTES", 100)

    with pytest.raises(UntrustedRelease, match="100 are allowed"):
        parse_manifest(manifest_bytes(MANIFEST))


def test_room_is_counted_in_bytes_and_in_inodes() -> None:
    tree = dataclasses.replace(MANIFEST, files=(file("a/b/c", size=10), file("a/b/d", size=5), file("e", size=1)))

    assert tree.installed_size_bytes == 16
    assert tree.inodes == 5, "three files, two folders"


def test_the_note_says_what_a_device_must_know_before_it_fetches_anything() -> None:
    note = note_of(MANIFEST)

    shared = {f.name for f in dataclasses.fields(note)} & {f.name for f in dataclasses.fields(MANIFEST)}
    assert {name for name in shared if getattr(note, name) != getattr(MANIFEST, name)} == set()
    assert (note.installed_size_bytes, note.inodes) == (46, 3)


def test_names_in_the_repositories_are_pinned() -> None:
    assert release.target_path("app", "1.1") == "releases/app/1.1/manifest.json"
    assert release.role_name("app") == "rel-app"


def test_a_params_value_is_text_or_a_number() -> None:
    check = HealthCheck("c", CheckKind.HTTP, params={"url": "http://x", "status": 200.0})

    assert wire.from_json(HealthCheck, wire.to_json(check)) == check


def test_probation_is_minutes_and_never_hours() -> None:
    with pytest.raises(ValueError, match="probation"):
        Probation(soak_s=3601)


@pytest.mark.parametrize(
    ("key", "value"), [("soak_s", float("nan")), ("soak_s", 3601.0), ("startup_s", 0.0), ("steady", 0)]
)
def test_a_probation_out_of_range_names_the_key_its_value_and_what_is_allowed(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"probation: {key} is {value:g}; allowed is"):
        Probation(**{key: value})  # type: ignore[arg-type]


def test_the_smallest_manifest_has_no_application() -> None:
    bare = Manifest("model", "1", 1, 0, ("rpi5",), ())

    assert parse_manifest(manifest_bytes(bare)).application is None


def test_the_manifest_of_a_tree_does_not_speak_of_images() -> None:
    assert b"image" not in manifest_bytes(MANIFEST)


def test_an_image_needs_its_size_and_no_inodes() -> None:
    note = note_of(IMAGE_MANIFEST)

    assert (note.slot, note.installed_size_bytes, note.inodes) == (SlotKind.IMAGE, 8704, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"image": None},
        {"slot": SlotKind.TREE},
        {"files": (file("a"),)},
        {"application": Application(("bin/app",))},
    ],
)
def test_an_image_and_a_tree_are_never_mixed(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="image"):
        dataclasses.replace(IMAGE_MANIFEST, **fields)


def test_what_must_be_fetched_is_known_by_hash_and_size() -> None:
    assert MANIFEST.blobs == {ONE: 12, "2" * 64: 34}
    assert IMAGE_MANIFEST.blobs == {"0a" * 32: 8192, NO_BLOB.hex(): 512}
