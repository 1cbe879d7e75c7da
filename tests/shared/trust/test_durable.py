"""Durable writes: old or new, never half; and one holder of the lock."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from surefoot_shared.trust import durable
from surefoot_shared.trust.durable import locked, sync_tree, write_durably


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


def test_a_tree_with_links_and_folders_is_synced_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "1").touch()
    (tmp_path / "link").symlink_to("history/1")
    (tmp_path / "dangling").symlink_to("nowhere")
    synced: list[Path] = []
    monkeypatch.setattr(durable, "_sync", synced.append)

    sync_tree(tmp_path)

    assert synced == [tmp_path / "history" / "1", tmp_path / "history", tmp_path]


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
