"""A path of a tree is the same file on every device, or is refused with one sentence: at build and on the device."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot_server.releases.tree import read_tree
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.paths import NAME_LIMIT_BYTES, PATH_LIMIT_BYTES, check_tree_path, refuse_twins
from surefoot_shared.release import TreeFile, parse_manifest
from tests.shared.examples import MANIFEST

NFC, NFD = unicodedata.normalize("NFC", "đếm"), unicodedata.normalize("NFD", "đếm")
LONG = "é" * (NAME_LIMIT_BYTES // 2) + "xx"
"""128 letters, 256 bytes."""


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "./a", "a/..", "../a", "a/../b", "a/./b", "/", "//a"])
def test_what_leads_out_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not a path inside the tree"):
        check_tree_path(path)


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x7f", "a\x9b", "a\\b", "a\u200bb", "\u202eexe.txt", "\ufeffa"])
def test_what_cannot_be_seen_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be seen") as caught:
        check_tree_path(name)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", [LONG, f"a/{LONG}/b", "/".join(["a" * 200] * 20)])
def test_what_no_file_system_has_room_for_is_refused_and_not_repeated_whole(path: str) -> None:
    with pytest.raises(ValueError, match="too long") as caught:
        check_tree_path(path)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "path", [LONG[:-1], "đếm người/mô hình.onnx", "日本/カメラ", "a" * 255, "...", "~", "a b", "-rf"]
)
def test_plain_names_of_any_language_are_taken(path: str) -> None:
    assert check_tree_path(path) == path


def test_the_longest_path_fits() -> None:
    path = "/".join(["a" * 239] * 16)

    assert len(path) == PATH_LIMIT_BYTES - 1
    assert check_tree_path(path) == path


def test_accents_that_are_written_apart_are_refused() -> None:
    assert NFC != NFD
    with pytest.raises(ValueError, match="written apart"):
        check_tree_path(NFD)


@pytest.mark.parametrize(
    "paths",
    [
        ["README", "readme"],
        ["a/x", "A/y"],
        ["a/b/x", "a/B/y"],
        ["lib/a", "LIB"],
        ["ĐẾM", "đếm"],
        ["straße", "STRASSE"],
        ["ǅ", "ǆ"],
        [NFC, NFD],
        ["x/" + NFC + "/1", "x/" + NFD + "/2"],
        ["heart", "heart\ufe0f"],
        ["a/x", "A\u034f/y"],
        ["x\U000e0101", "X\u3164"],
    ],
)
def test_two_that_some_file_system_takes_for_one_are_refused(paths: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="only in upper and lower case, or in how it is spelt"):
        refuse_twins(paths)
    with pytest.raises(ValueError, match="only in upper and lower case, or in how it is spelt"):
        refuse_twins(reversed(paths))


def test_one_path_twice_and_a_file_in_the_place_of_a_folder_are_refused() -> None:
    with pytest.raises(ValueError, match="'a/b' is there twice"):
        refuse_twins(["a/b", "c", "a/b"])
    with pytest.raises(ValueError, match="'a/b' is a file and a folder"):
        refuse_twins(["a/b", "a/b/c"])


def test_neighbours_of_like_names_are_no_twins() -> None:
    paths = ["a/b", "a/b.c", "a/bc/d", "ab", "a/bc/e", "b/a/b", "ä", "a1"]
    files = tuple(TreeFile(path, 0o644, 0, "a" * 64) for path in paths)

    assert dataclasses.replace(MANIFEST, files=files).files == files


ODD = {
    "accents apart": [NFD],
    "case twins": ["a/README", "A/README"],
    "not seen": ["a\u200bb"],
    "control": ["a\x7fb"],
}


@pytest.mark.parametrize("name", ODD)
def test_build_and_device_say_the_same_of_the_same_tree(tmp_path: Path, name: str) -> None:
    for path in ODD[name]:
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).write_bytes(b"x")
    (tmp_path / "blobs").mkdir()
    files = [{"path": path, "mode": 0o644, "size": 1, "sha256": "a" * 64} for path in sorted(ODD[name])]
    said = {"component": "app", "version": "1", "counter": 1, "svn": 0, "hw": ["x"], "files": files, "v": 1}

    with pytest.raises(Invalid) as built:
        read_tree(tmp_path / "tree", tmp_path / "blobs", lambda done, total: None)
    with pytest.raises(UntrustedRelease) as installed:
        parse_manifest(json.dumps(said).encode())

    assert built.value.message.rstrip(".") in installed.value.message
    assert installed.value.kind == "manifest_malformed"


def test_a_name_that_is_no_utf8_is_refused_in_a_manifest() -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        check_tree_path("a\udc80")
