from __future__ import annotations

import errno
import os
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from surefoot_agent import data as module
from surefoot_agent import guard
from surefoot_agent.data import CHUNK_BYTES, DataFolder, Kept, Phase, copy_tree
from surefoot_shared.errors import InstallFailed
from tests.agent.fakes import Cut
from tests.agent.trees import snapshot

pytestmark = pytest.mark.usefixtures("unsynced")

KEPT = Kept("a-1", 1, Phase.KEPT, "1.0", "1.1")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    (tmp_path / "data" / "day").mkdir(parents=True)
    (tmp_path / "data" / "counts").write_text("41\n")
    (tmp_path / "data" / "day" / "1").write_text("one")
    return DataFolder(tmp_path)


def spoil(tmp_path: Path) -> None:
    """What a new release does with the data."""
    (tmp_path / "data" / "counts").write_text("new form\n")
    (tmp_path / "data" / "day" / "1").unlink()
    (tmp_path / "data" / "more").write_text("recorded since")


def test_what_was_kept_comes_back_and_what_was_recorded_since_is_set_aside(tmp_path: Path, folder: DataFolder) -> None:
    before = snapshot(tmp_path / "data")
    kept = folder.keep(KEPT)
    spoil(tmp_path)

    folder.restore(kept)

    assert snapshot(tmp_path / "data") == before
    assert snapshot(tmp_path / "data.aside") == {"counts": b"new form\n", "more": b"recorded since"}
    assert not (tmp_path / "data.before").exists()
    now = folder.kept()
    assert now is not None
    assert now.phase is Phase.RESTORED


def test_a_second_restore_changes_nothing(tmp_path: Path, folder: DataFolder) -> None:
    kept = folder.keep(KEPT)
    spoil(tmp_path)
    folder.restore(kept)
    (tmp_path / "data" / "counts").write_text("42\n")

    folder.restore(kept)

    assert (tmp_path / "data" / "counts").read_text() == "42\n"


@pytest.mark.parametrize("phase", [Phase.GONE_BACK, Phase.RESTORED, Phase.COMMITTED])
def test_a_copy_that_is_not_needed_any_more_is_never_put_back(tmp_path: Path, folder: DataFolder, phase: Phase) -> None:
    kept = folder.change(folder.keep(KEPT), phase=phase)
    spoil(tmp_path)

    folder.restore(kept)

    assert (tmp_path / "data" / "counts").read_text() == "new form\n"


def test_a_copy_of_another_attempt_is_never_put_back(tmp_path: Path, folder: DataFolder) -> None:
    folder.keep(KEPT)
    spoil(tmp_path)

    assert not guard.restore_data(tmp_path, "a-1", 2)
    assert not guard.restore_data(tmp_path, "a-2", 1)
    assert (tmp_path / "data" / "counts").read_text() == "new form\n"


def test_a_database_that_is_changed_in_place_does_not_change_its_copy(tmp_path: Path, folder: DataFolder) -> None:
    with closing(sqlite3.connect(tmp_path / "data" / "db")) as db, db:
        db.execute("CREATE TABLE count (number INTEGER)")
        db.execute("INSERT INTO count VALUES (1)")
    kept = folder.keep(KEPT)
    with closing(sqlite3.connect(tmp_path / "data" / "db")) as db, db:
        db.execute("UPDATE count SET number = 2")

    folder.restore(kept)

    with closing(sqlite3.connect(tmp_path / "data" / "db")) as db:
        assert db.execute("SELECT number FROM count").fetchone() == (1,)


@pytest.mark.parametrize("step", range(1, 6))
def test_a_death_at_any_step_of_putting_back_is_made_good_by_the_next(
    tmp_path: Path, folder: DataFolder, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(tmp_path / "data")
    (tmp_path / "data.aside").mkdir()
    kept = folder.keep(KEPT)
    (tmp_path / "data.aside").mkdir()
    (tmp_path / "data.aside" / "old").write_text("of an earlier revert")
    spoil(tmp_path)
    done = []

    def dying(name: str, real: object) -> object:
        def call(*given: object, **more: object) -> object:
            result = real(*given, **more)  # type: ignore[operator]
            done.append(name)
            if len(done) == step:
                raise Cut(name)
            return result

        return call

    with monkeypatch.context() as patched:
        patched.setattr(guard.shutil, "rmtree", dying("rmtree", shutil.rmtree))
        patched.setattr(guard.os, "replace", dying("replace", os.replace))
        patched.setattr(guard, "save_record", dying("record", guard.save_record))
        patched.setattr(guard, "fsync_folder", dying("fsync", guard.fsync_folder))
        try:
            guard.restore_data(tmp_path, "a-1", 1)
        except Cut:
            DataFolder(tmp_path)
            (tmp_path / "data").mkdir(exist_ok=True)  # as an agent does that starts before the way back is walked on

    folder.restore(kept)

    assert done[:4] == ["rmtree", "replace", "replace", "fsync"][: len(done)]
    assert snapshot(tmp_path / "data") == before
    assert (tmp_path / "data.aside" / "more").read_text() == "recorded since"


def test_a_copy_half_made_is_made_anew(tmp_path: Path, folder: DataFolder) -> None:
    (tmp_path / "data.copy").mkdir()
    (tmp_path / "data.copy" / "half").write_text("x")
    (tmp_path / "data.before").mkdir()

    folder.keep(KEPT)

    assert snapshot(tmp_path / "data.before") == snapshot(tmp_path / "data")
    assert not (tmp_path / "data.copy").exists()


def test_modes_times_links_and_holes_are_kept_and_sockets_are_not(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "empty").mkdir(parents=True)
    (source / "secret").write_text("x")
    (source / "secret").chmod(0o600)
    os.utime(source / "secret", ns=(1_000_000_000, 2_000_000_000))
    (source / "link").symlink_to("secret")
    (source / "away").symlink_to("/etc/passwd")
    with (source / "holes").open("wb") as file:
        file.seek(4 * CHUNK_BYTES)
        file.write(b"end")
        file.truncate(9 * CHUNK_BYTES)
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "sock"))

        copy_tree(source, tmp_path / "copy")

    copy = tmp_path / "copy"
    assert sorted(os.listdir(copy)) == ["away", "empty", "holes", "link", "secret"]
    assert (copy / "secret").stat().st_mode & 0o777 == 0o600
    assert (copy / "secret").stat().st_mtime_ns == 2_000_000_000
    assert (os.readlink(copy / "link"), os.readlink(copy / "away")) == ("secret", "/etc/passwd")
    assert (copy / "holes").stat().st_size == 9 * CHUNK_BYTES
    assert (copy / "holes").stat().st_blocks * 512 < 3 * CHUNK_BYTES
    assert (copy / "holes").read_bytes() == (source / "holes").read_bytes()


def test_every_file_and_folder_of_the_copy_is_on_the_medium_before_its_record(
    tmp_path: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))

    folder.keep(KEPT)

    copy = f"{tmp_path}/data.copy"
    first_record = next(i for i, name in enumerate(synced) if name.startswith(f"{tmp_path}/data.0"))
    assert {f"{copy}/counts", f"{copy}/day/1", f"{copy}/day", copy} <= set(synced[:first_record])
    assert str(tmp_path) in synced[synced.index(copy) : first_record]  # its new name


def test_a_copy_that_does_not_fit_is_refused_before_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path, reserve_bytes=1 << 60)
    monkeypatch.setattr(module, "copy_tree", lambda *_: pytest.fail("it began"))

    with pytest.raises(InstallFailed) as caught:
        folder.keep(KEPT)

    assert caught.value.kind == "no_space"
    assert folder.kept() is None


def test_a_file_system_that_clones_needs_room_for_the_reserve_only(
    tmp_path: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataFolder, "size_bytes", lambda self: 1 << 60)
    with pytest.raises(InstallFailed, match="free"):
        folder.room()

    monkeypatch.setattr(module, "_cloned", lambda read, write: True)

    folder.room()
    assert not list(tmp_path.glob("clone.probe*"))


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "no_space"), (errno.EIO, "data_not_kept")])
def test_what_the_disk_says_becomes_a_kind(
    folder: DataFolder, number: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "copy_tree", broken)

    with pytest.raises(InstallFailed) as caught:
        folder.keep(KEPT)

    assert caught.value.kind == kind
    assert folder.kept() is None


def test_a_record_of_a_newer_version_counts_as_none(tmp_path: Path, folder: DataFolder) -> None:
    guard.save_record(tmp_path, "data", {"v": 2, "phase": "kept"})

    assert folder.kept() is None


def test_what_is_set_aside_is_one_copy_and_makes_room_for_the_next(tmp_path: Path, folder: DataFolder) -> None:
    spoil(tmp_path)
    folder.restore(folder.keep(KEPT))
    assert (tmp_path / "data.aside").exists()

    folder.keep(Kept("a-2", 1, Phase.KEPT, "1.0", "1.2"))

    assert not (tmp_path / "data.aside").exists()


@pytest.mark.parametrize("victim", ["counts", "day"])
def test_a_link_that_takes_the_place_of_a_file_while_it_is_copied_is_not_followed(
    tmp_path: Path, folder: DataFolder, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("root's")
    right, place = os.open, tmp_path / "data" / victim

    def swapped(path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == victim and not place.is_symlink():
            place.rename(tmp_path / "moved")
            place.symlink_to(secret if victim == "day" else secret / "key")
        return right(path, flags, mode, dir_fd=dir_fd)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swapped)

    with pytest.raises(InstallFailed) as refused:
        folder.keep(KEPT)

    assert refused.value.kind == "data_not_kept"
    assert not [path for path in tmp_path.rglob("*") if "data" in str(path) and path.name == "key"]


def test_a_pipe_that_takes_the_place_of_a_file_does_not_hold_the_copy_up(
    tmp_path: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, place = os.open, tmp_path / "data" / "counts"

    def swapped(path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "counts":
            place.unlink()
            os.mkfifo(place)
        return right(path, flags, mode, dir_fd=dir_fd)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swapped)

    with pytest.raises(InstallFailed, match="became something else"):
        folder.keep(KEPT)


def test_folders_without_an_end_are_said_so(tmp_path: Path, folder: DataFolder) -> None:
    (tmp_path / "data" / "/".join("d" * module.DEPTH)).mkdir(parents=True)

    with pytest.raises(InstallFailed, match="nested deeper"):
        folder.keep(KEPT)
