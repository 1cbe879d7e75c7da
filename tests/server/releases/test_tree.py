"""A folder becomes a tree only if it would land the same on every device."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from surefoot_server.releases.tree import read_tree
from surefoot_shared.errors import Invalid
from surefoot_shared.release import TreeFile, digest_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    (tmp_path / "tree" / "bin" / "count").write_bytes(b"run")
    (tmp_path / "tree" / "bin" / "count").chmod(0o755)
    (tmp_path / "tree" / "a.txt").write_bytes(b"")
    return tmp_path / "tree"


def read(folder: Path) -> tuple[TreeFile, ...]:
    with tempfile.TemporaryDirectory() as blobs:
        return read_tree(folder, Path(blobs), lambda done, total: None)


def refused(folder: Path) -> str:
    with pytest.raises(Invalid) as caught:
        read(folder)
    assert caught.value.message.count(".") >= 1
    assert "\n" not in caught.value.message
    return caught.value.message


def test_every_file_is_listed_by_path_with_mode_size_and_hash(tree: Path) -> None:
    assert read(tree) == (
        TreeFile("a.txt", 0o644, 0, digest_of(b"")),
        TreeFile("bin/count", 0o755, 3, digest_of(b"run")),
    )


def test_names_are_utf_8_whatever_the_locale_says(tree: Path, tmp_path: Path) -> None:
    (tree / "ế.txt").write_bytes(b"")
    said = f"print(ascii([f.path for f in read_tree(Path({str(tree)!r}), Path({str(tmp_path)!r}), print)]))"
    code = f"from pathlib import Path; from surefoot_server.releases.tree import read_tree; {said}"
    legacy = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **legacy}, capture_output=True, text=True)

    assert done.stdout.splitlines()[-1:] == [ascii(["a.txt", "bin/count", "ế.txt"])], done.stderr


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o600, 0o644), (0o400, 0o644), (0o700, 0o755), (0o755, 0o755), (0o664, 0o644)]
)
def test_modes_become_one_of_two(tree: Path, mode: int, kept: int) -> None:
    (tree / "a.txt").chmod(mode)

    assert read(tree)[0].mode == kept


def test_progress_ends_at_the_whole(tree: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    read_tree(tree, tmp_path, lambda done, total: seen.append((done, total)))

    assert seen == [(0, 3), (3, 3)]


def test_symbolic_links_are_refused(tree: Path) -> None:
    (tree / "link").symlink_to("a.txt")

    assert "link is a symbolic link" in refused(tree)


def test_links_to_folders_are_refused_and_not_followed(tree: Path, tmp_path: Path) -> None:
    (tree / "etc").symlink_to("/etc")

    assert "etc is a symbolic link" in refused(tree)


def test_pipes_and_sockets_are_refused(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    assert "pipe is a device, socket or pipe" in refused(tree)
    (tree / "pipe").unlink()

    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tree / "sock"))
        assert "sock is a device, socket or pipe" in refused(tree)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755])
def test_set_user_id_files_are_refused(tree: Path, mode: int) -> None:
    (tree / "bin" / "count").chmod(mode)

    assert "bin/count is set-user-id" in refused(tree)


@pytest.mark.parametrize("twin", ["A.txt", "BIN/other"])
def test_names_that_differ_only_in_case_are_refused(tree: Path, twin: str) -> None:
    (tree / twin).parent.mkdir(exist_ok=True)
    (tree / twin).write_bytes(b"x")

    assert "only in upper and lower case" in refused(tree)


@pytest.mark.parametrize("name", ["new\nline", "back\\slash", "tab\t", "e\u0301.txt"])
def test_odd_names_are_refused(tree: Path, name: str) -> None:
    (tree / name).write_bytes(b"x")

    assert repr(name) in refused(tree)


def test_a_name_that_is_not_utf8_is_refused(tree: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tree) + b"/\xff"))).write_bytes(b"x")

    assert "not UTF-8" in refused(tree)


def test_plain_names_in_any_language_are_taken(tree: Path) -> None:
    (tree / "đếm người.txt").write_bytes(b"x")

    assert len(read(tree)) == 3


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "holds no file" in refused(tmp_path)


def test_something_that_is_no_folder_is_refused(tree: Path) -> None:
    assert "is not a folder" in refused(tree / "a.txt")


def test_every_file_is_copied_under_its_hash_and_nothing_else_is(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()

    files = read_tree(tree, tmp_path / "blobs", lambda done, total: None)

    copied = {path.name: digest_of(path.read_bytes()) for path in (tmp_path / "blobs").iterdir()}
    assert copied == {file.sha256: file.sha256 for file in files}


def test_a_file_that_changes_while_it_is_read_is_refused(tree: Path, tmp_path: Path) -> None:
    def grow_the_second(done: int, total: int) -> None:
        (tree / "bin" / "count").write_bytes(b"run and run")

    with pytest.raises(Invalid, match="changed while it was read"):
        read_tree(tree, tmp_path, grow_the_second)


@pytest.mark.parametrize("becomes", ["link", "pipe", "folder", "nothing", "setuid", "other bytes"])
def test_a_file_that_is_something_else_by_the_time_it_is_read_is_refused(
    tree: Path, tmp_path: Path, becomes: str
) -> None:
    program = tree / "bin" / "count"

    def exchange(done: int, total: int) -> None:
        if becomes == "setuid":
            program.chmod(0o4755)
            return
        program.unlink()
        if becomes == "link":
            program.symlink_to("/etc/hostname")
        elif becomes == "pipe":
            os.mkfifo(program)
        elif becomes == "folder":
            program.mkdir()
        elif becomes == "other bytes":
            program.write_bytes(b"RUN")
            program.chmod(0o755)

    with pytest.raises(Invalid, match="bin/count changed while it was read"):
        read_tree(tree, tmp_path, exchange)
