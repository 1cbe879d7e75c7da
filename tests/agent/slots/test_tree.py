from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_agent.slots import tree
from surefoot_shared.release import TreeFile, digest_of

CONTENT = b"content"
WANTED = TreeFile("a/file", 0o644, len(CONTENT), digest_of(CONTENT))


def put(root: Path, content: bytes = CONTENT, mode: int = 0o444) -> Path:
    path = root / "a" / "file"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (CONTENT, 0o444, True),
        (CONTENT, 0o644, False),
        (CONTENT, 0o4444, False),
        (b"Content", 0o444, False),
        (b"", 0o444, False),
    ],
)
def test_a_file_matches_by_mode_size_and_every_byte(tmp_path: Path, content: bytes, mode: int, expected: bool) -> None:
    assert tree.matches(put(tmp_path, content, mode), WANTED) is expected


def test_a_missing_file_a_folder_a_link_and_a_pipe_do_not_match(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(put(tmp_path))
    os.mkfifo(tmp_path / "pipe")

    assert not any(tree.matches(tmp_path / name, WANTED) for name in ("absent", "folder", "link", "pipe"))


def test_pruning_keeps_listed_files_and_their_folders_only(tmp_path: Path) -> None:
    kept = put(tmp_path)
    for stray in ("b", "a/b"):
        (tmp_path / stray).write_text("x")
    (tmp_path / "c" / "d").mkdir(parents=True)

    tree.prune(tmp_path, {WANTED.path: WANTED})

    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", kept]


def test_a_folder_where_a_file_is_listed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a" / "file" / "deep").mkdir(parents=True)

    tree.prune(tmp_path, {WANTED.path: WANTED})

    assert not (tmp_path / "a" / "file").exists()


def test_audit_names_what_is_missing_wrong_or_not_listed(tmp_path: Path) -> None:
    put(tmp_path, b"Content")
    (tmp_path / "extra").write_text("x")
    absent = TreeFile("absent", 0o644, 0, digest_of(b""))

    assert tree.audit(tmp_path, {WANTED.path: WANTED, "absent": absent}) == {"a/file", "absent", "extra"}


def test_parts_that_no_manifest_names_are_removed(tmp_path: Path) -> None:
    (tmp_path / WANTED.sha256).write_bytes(b"con")
    (tmp_path / "link").write_bytes(b"left behind")
    (tmp_path / "folder").mkdir()

    tree.prune_parts(tmp_path, {WANTED.sha256})

    assert [p.name for p in tmp_path.iterdir()] == [WANTED.sha256]
