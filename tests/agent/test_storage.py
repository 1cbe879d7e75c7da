"""A device that cannot remember says so, begins nothing, and starts anew once it can."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import journal as module
from surefoot_agent.journal import Journal, open_journal
from surefoot_agent.storage import LOOK_S, Storage
from tests.agent.test_journal import full


@pytest.fixture
def path(tmp_path: Path) -> Path:
    open_journal(tmp_path / "journal.db").close()
    return tmp_path / "journal.db"


@pytest.fixture
def copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal on a disk that takes no write."""
    monkeypatch.setattr(module, "_probe", full)
    monkeypatch.setattr(module, "_fill", lambda reserve: None)
    path.with_name("journal.db.reserve").unlink()
    return open_journal(path)


def test_a_journal_that_is_well_concerns_nobody(path: Path) -> None:
    storage = Storage(open_journal(path), lambda: 0.0)

    assert storage.concern() is None
    assert not storage.is_back()


def test_an_unreadable_journal_says_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"rot" * 4000)

    concern = Storage(open_journal(tmp_path / "journal.db"), lambda: 0.0).concern()

    assert concern is not None
    assert concern[0] == "journal_unreadable"
    assert "move journal.db*" in concern[1]


def test_the_way_out_heals(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"rot" * 4000)
    open_journal(tmp_path / "journal.db").close()
    for file in tmp_path.glob("journal.db*"):
        file.unlink()

    assert Storage(open_journal(tmp_path / "journal.db"), lambda: 0.0).concern() is None


def test_a_disk_without_room_for_the_reserve_is_told_while_it_still_takes_reports(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(path)
    path.with_name("journal.db.reserve").unlink()
    monkeypatch.setattr(module, "_fill", lambda reserve: None)

    concern = Storage(journal, lambda: 0.0).concern()

    assert concern is not None
    assert concern[0] == "no_space"
    assert journal.stores


def test_a_disk_that_takes_no_write_is_told_and_the_agent_ends_once_it_does(
    copied: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    storage = Storage(copied, lambda: now[0])
    concern = storage.concern()
    assert concern is not None
    assert (concern[0], storage.is_back()) == ("no_space", False)

    now[0] = LOOK_S
    still = storage.is_back()
    monkeypatch.undo()
    soon = storage.is_back()
    now[0] = 2 * LOOK_S

    assert (still, soon, storage.is_back()) == (False, False, True)
