"""The tree is what modules expect, whole before its first call, and gone without a trace."""

from __future__ import annotations

from pathlib import Path

from surefoot_agent.modules.tree import Device, keep_files, lay, remove
from surefoot_shared.module import Payload


def test_it_says_what_the_device_has_and_what_comes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    lay(tree, Payload("single-file", "new"), Device("old", "", "rpi5"))

    assert (tree / "version").read_text() == "3\n"
    assert (tree / "current_artifact_name").read_text() == "old\n"
    assert (tree / "current_artifact_group").read_text() == ""
    assert (tree / "current_device_type").read_text() == "rpi5\n"
    assert (tree / "header/artifact_name").read_text() == "new"
    assert sorted(p.name for p in tree.iterdir() if p.is_dir()) == ["files", "header", "streams", "tmp"]


def test_nothing_of_an_earlier_payload_is_left_in_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    lay(tree, Payload("t", "one"), Device())
    (tree / "tmp/kept").write_text("of the first")

    lay(tree, Payload("t", "two"), Device())
    assert list((tree / "tmp").iterdir()) == []


def test_files_are_stored_for_a_module_that_left_the_streams_alone(tmp_path: Path) -> None:
    tree, source = tmp_path / "tree", tmp_path / "x"
    source.write_bytes(b"bytes")
    lay(tree, Payload("t", "n"), Device())

    keep_files(tree, {"x": source})
    assert (tree / "files/x").read_bytes() == b"bytes"


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    remove(tmp_path / "tree")

    assert list(tmp_path.iterdir()) == []
