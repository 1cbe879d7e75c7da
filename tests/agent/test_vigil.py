"""A lock that is held says who works here; looking at it takes nothing."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from surefoot_agent.node import only_one
from surefoot_agent.vigil import agent_runs, guard_runs


def test_an_agent_is_seen_while_it_holds_the_state_folder(tmp_path: Path) -> None:
    never = agent_runs(tmp_path)

    with only_one(tmp_path):
        runs = agent_runs(tmp_path)

    assert (never, runs, agent_runs(tmp_path)) == (False, True, False)


def test_a_look_does_not_keep_an_agent_from_starting(tmp_path: Path) -> None:
    with only_one(tmp_path):
        agent_runs(tmp_path)

    with only_one(tmp_path):
        assert agent_runs(tmp_path)


def test_a_guard_is_seen_by_its_components_lock(tmp_path: Path) -> None:
    with (tmp_path / "guard.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert guard_runs(tmp_path)

    assert not guard_runs(tmp_path)


def test_what_cannot_be_looked_at_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    assert guard_runs(tmp_path) is None
