"""A full disk is said in one sentence, and only a full disk is."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy.exc import OperationalError

from surefoot_server.space import is_full, problem


class Usage(NamedTuple):
    free: int
    total: int = 1
    used: int = 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")),
        OperationalError("INSERT", {}, Exception('could not extend file "base/1": No space left on device')),
    ],
)
def test_every_way_to_say_full_is_understood(error: BaseException) -> None:
    assert is_full(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked")),
        ValueError("disk"),
    ],
)
def test_other_failures_are_not_taken_for_a_full_disk(error: BaseException) -> None:
    assert not is_full(error)


def test_a_folder_with_room_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30))

    assert problem(tmp_path, failed_lately=False) == ""


def test_less_than_the_reserve_is_a_problem_with_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(3 << 20))

    assert "3.0 MiB are free and 64 MiB are needed" in problem(tmp_path, failed_lately=False)


def test_a_write_that_found_no_room_is_a_problem_whatever_the_disk_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30))

    assert "no room for its last write" in problem(tmp_path, failed_lately=True)


def test_a_data_folder_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be read" in problem(tmp_path / "gone", failed_lately=False)
