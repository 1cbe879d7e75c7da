"""The medium forgets what was not synced and misses no write: what the suite beside this file rests on."""

from __future__ import annotations

import _io
import os
import random
import sqlite3
from pathlib import Path

import pytest

from tests.crash.medium import Cut, Medium


@pytest.fixture
def medium(tmp_path: Path) -> Medium:
    return Medium(tmp_path / "disk")


def write(path: Path, content: bytes, sync: bool = True) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def test_bytes_without_fsync_are_gone_after_a_power_cut_and_stay_after_a_kill(medium: Medium, tmp_path: Path) -> None:
    file = tmp_path / "disk" / "a"
    file.write_bytes(b"old")

    with medium.active():
        write(file, b"newer", sync=False)
    assert file.read_bytes() == b"newer"
    medium.cut_power()

    assert file.read_bytes() == b"old"


def test_synced_bytes_under_an_unsynced_name_are_gone_with_the_name(medium: Medium, tmp_path: Path) -> None:
    with medium.active():
        write(tmp_path / "disk" / "a", b"new")
    medium.cut_power()

    assert not (tmp_path / "disk" / "a").exists()


def test_what_was_synced_with_its_name_stays(medium: Medium, tmp_path: Path) -> None:
    with medium.active():
        write(tmp_path / "disk" / "a", b"new")
        sync_folder(tmp_path / "disk")
    medium.cut_power()

    assert (tmp_path / "disk" / "a").read_bytes() == b"new"


@pytest.mark.parametrize("link", [False, True], ids=["a file", "a link to a folder"])
def test_an_unsynced_rename_brings_the_old_content_back(medium: Medium, tmp_path: Path, link: bool) -> None:
    disk = tmp_path / "disk"
    for name in ("old", "new"):
        (disk / name).mkdir()
    (disk / "a").symlink_to("old") if link else (disk / "a").write_bytes(b"old")

    with medium.active():
        (disk / "a.tmp").symlink_to("new") if link else write(disk / "a.tmp", b"new")
        os.replace(disk / "a.tmp", disk / "a")
    medium.cut_power()

    assert (os.readlink(disk / "a") if link else (disk / "a").read_text()) == "old"
    assert not os.path.lexists(disk / "a.tmp")


def test_a_removed_name_and_an_unsynced_mode_come_back(medium: Medium, tmp_path: Path) -> None:
    kept, gone = tmp_path / "disk" / "kept", tmp_path / "disk" / "gone"
    kept.write_bytes(b"k")
    gone.write_bytes(b"g")
    kept.chmod(0o600)

    with medium.active():
        kept.chmod(0o444)
        gone.unlink()
    medium.cut_power()

    assert (kept.stat().st_mode & 0o777, gone.read_bytes()) == (0o600, b"g")


def test_names_survive_in_the_order_in_which_they_were_made(medium: Medium, tmp_path: Path) -> None:
    left = set()
    for seed in range(40):
        with medium.active():
            for name in "abc":
                (tmp_path / "disk" / name).mkdir()
        medium.cut_power(random.Random(seed))
        left.add("".join(sorted(p.name for p in (tmp_path / "disk").iterdir())))
        for path in (tmp_path / "disk").iterdir():
            path.rmdir()

    assert left == {"", "a", "ab", "abc"}


@pytest.mark.parametrize("torn", [False, True])
def test_the_world_ends_at_the_point_that_was_named_and_nothing_happens_after_it(
    medium: Medium, tmp_path: Path, torn: bool
) -> None:
    file = tmp_path / "disk" / "a"
    file.write_bytes(b"")
    medium.cut_at, medium.torn = 2, torn

    def tidy() -> None:
        try:
            write(file, b"0123")
        finally:
            file.unlink()

    with medium.active(), pytest.raises(Cut):
        tidy()

    assert medium.trace == ["open a", "write a"]
    assert file.read_bytes() == (b"01" if torn else b"")


def test_a_commit_of_a_database_is_a_point(medium: Medium, tmp_path: Path) -> None:
    with medium.active():
        db = sqlite3.connect(tmp_path / "disk" / "x.db", isolation_level=None)
        db.execute("CREATE TABLE t (v)")
        db.execute("BEGIN")
        db.execute("INSERT INTO t VALUES (1)")
        medium.cut_at = len(medium.trace) + 1
        with pytest.raises(Cut):
            db.execute("COMMIT")
        db.close()

    assert sqlite3.connect(tmp_path / "disk" / "x.db").execute("SELECT * FROM t").fetchall() == []


def test_a_write_that_passes_by_is_seen(medium: Medium, tmp_path: Path) -> None:
    with medium.active():
        _io.open(tmp_path / "disk" / "a", "wb").close()

    assert medium.bypassed == ["a"]
    assert medium.trace == []


def test_files_outside_and_reads_are_no_points(medium: Medium, tmp_path: Path) -> None:
    (tmp_path / "disk" / "a").write_bytes(b"x")

    with medium.active():
        (tmp_path / "outside").write_bytes(b"x")
        (tmp_path / "disk" / "a").read_bytes()

    assert (medium.trace, medium.bypassed) == ([], [])
