"""Durable writes: old or new, never half; and one holder of the lock."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from surefoot_shared.trust import durable
from surefoot_shared.trust.durable import locked, sync_trees, write_all_durably, write_durably


def test_a_file_is_replaced_with_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    write_durably(tmp_path / "a" / "file", b"old")
    write_durably(tmp_path / "a" / "file", b"new", mode=0o644)

    assert (tmp_path / "a" / "file").read_bytes() == b"new"
    assert (tmp_path / "a" / "file").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path / "a") == ["file"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    write_durably(tmp_path / "file", b"old")

    def fails(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, broken, fails)
    with pytest.raises(OSError, match="Input/output"):
        write_durably(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_content_reaches_the_medium_before_the_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(durable.os, "fsync", lambda fd: (order.append("fsync"), real_fsync(fd)))
    monkeypatch.setattr(durable.os, "replace", lambda a, b: (order.append("replace"), real_replace(a, b)))

    write_durably(tmp_path / "file", b"new")

    assert order == ["fsync", "replace", "fsync"]


def test_names_of_several_files_are_made_durable_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(durable.os, "fsync", lambda fd: (order.append("fsync"), real_fsync(fd)))
    monkeypatch.setattr(durable.os, "replace", lambda a, b: (order.append(Path(b).name), real_replace(a, b)))

    write_all_durably(tmp_path, {"second": b"2", "first": b"1"})

    assert order == ["fsync", "second", "fsync", "first", "fsync"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    real, paths = os.fsync, list[Path]()

    def note(descriptor: int) -> None:
        paths.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(durable.os, "fsync", note)
    return paths


def test_trees_with_links_and_folders_are_synced_file_by_file(tmp_path: Path, synced: list[Path]) -> None:
    for name in ("image", "director"):
        (tmp_path / name / "history").mkdir(parents=True)
        (tmp_path / name / "history" / "1").touch()
        (tmp_path / name / "link").symlink_to("history/1")
        (tmp_path / name / "dangling").symlink_to("nowhere")

    sync_trees(tmp_path / "image", tmp_path / "director", tmp_path / "absent")

    each = [tmp_path / name / rest for name in ("image", "director") for rest in ("history/1", "history", "")]
    assert sorted(synced) == sorted(each)


def test_more_files_than_may_be_open_at_once_are_all_synced(tmp_path: Path, synced: list[Path]) -> None:
    for number in range(3 * durable.BATCH):
        (tmp_path / str(number)).touch()

    sync_trees(tmp_path)

    assert set(synced) == {tmp_path, *tmp_path.iterdir()}


def test_where_no_thread_can_be_had_files_are_synced_one_after_the_other(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    (tmp_path / "file").touch()
    monkeypatch.setattr(threading.Thread, "start", none)

    sync_trees(tmp_path)

    assert synced == [tmp_path / "file", tmp_path]


def test_a_sync_that_fails_is_not_hidden_by_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (tmp_path / name).touch()

    def fails(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("b"):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        sync_trees(tmp_path)


def test_only_one_holds_the_lock_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with locked(tmp_path):
            order.append("second")

    with locked(tmp_path):
        other = threading.Thread(target=second)
        other.start()
        waiting.wait(5)
        order.append("first")
    other.join(5)

    assert order == ["first", "second"]


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError

    with locked(tmp_path):
        assert (tmp_path / "lock").exists()
