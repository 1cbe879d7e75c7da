from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_agent import durable


def test_a_missing_file_is_removed_without_complaint(tmp_path: Path) -> None:
    durable.remove(tmp_path / "absent")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_with_all_its_parents_and_may_exist(tmp_path: Path) -> None:
    for _ in range(2):
        durable.make_folder(tmp_path / "a" / "b" / "c")

    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_every_new_name_is_followed_by_an_fsync_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "fsync_folder", synced.append)
    durable.make_folder(tmp_path / "a" / "b")
    (tmp_path / "a" / "file").touch()

    durable.remove(tmp_path / "a" / "file")

    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a"]


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(OSError):
        durable.make_folder(tmp_path / "a" / "b")


def test_a_write_that_takes_a_few_bytes_at_a_time_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, view: whole(handle, bytes(view[:3])))
    handle = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)

    durable.write_all(handle, b"0123456789")
    os.close(handle)

    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_both_generations_of_a_record_are_synced_and_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    (tmp_path / "boot.0").touch()

    durable.sync_record(tmp_path, "boot")
    (tmp_path / "boot.1").touch()
    durable.sync_record(tmp_path, "boot")

    first, second, folder = str(tmp_path / "boot.0"), str(tmp_path / "boot.1"), str(tmp_path)
    assert synced == [first, folder, first, second, folder]
