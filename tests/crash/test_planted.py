"""Bugs planted on purpose: where one of these is not found, the suite that looks for their like is worth nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot_agent import carry, effects, guard
from surefoot_agent import events as e
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.data import Kept
from surefoot_agent.record import Record
from surefoot_agent.sight import Hands
from surefoot_shared.status import SlotState
from tests.crash.node import Back, End, Node
from tests.crash.scenes import DATA_SCENES, SCENES, Scene, ended_at, instants, prepared, undisturbed

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]
HEALTHY = SCENES[0]


def found(folder: Path, how: End, back: Back = Back.AGENT, scene: Scene = HEALTHY, begin: str = "") -> Iterator[str]:
    """Go through the instants of an update, from that with a word on, until one breaks a promise."""
    every = list(instants(undisturbed(folder, scene, Node)))
    for instant in every[next(place for place, instant in enumerate(every) if begin in instant.what) :]:
        try:
            yield from ended_at(folder, scene, Node, instant, how, back)
        except Exception as error:  # the bug may as well crash the agent
            yield repr(error)


def test_a_boot_state_that_is_not_synced_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsynced(path: Path, data: bytes, mode: int = 0o644) -> None:
        path.write_bytes(data)

    monkeypatch.setattr(guard, "_write_synced", unsynced)

    assert next(found(tmp_path / "node", End.POWER), None) is not None


def test_data_that_are_called_migrated_before_they_are_on_the_medium_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsynced(hands: carry.Bearer, kept: Kept, command: carry.Command) -> None:
        hands.migrate(carry._migration(hands, kept, command))

    monkeypatch.setattr(carry, "_run", unsynced)

    assert next(found(tmp_path / "node", End.POWER, Back.AGENT, DATA_SCENES[0], "data.before"), None) is not None


def test_a_switch_before_the_trial_was_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = effects.arm

    def flips_first(hands: Hands, record: Record, *more: Any) -> e.Event:
        assert record.slot is not None
        hands.boot.arm_trial(record.slot)
        return right(hands, record, *more)

    monkeypatch.setattr(effects, "arm", flips_first)

    assert next(found(tmp_path / "node", End.KILLED, Back.GUARD_ALONE), None) is not None


def test_a_commit_that_marks_nothing_good_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = prepared(tmp_path / "node", HEALTHY, Node)
    with contextlib.closing(node):
        marks = SymlinkBoot.set_state
        monkeypatch.setattr(
            SymlinkBoot,
            "set_state",
            lambda s, slot, st: marks(s, slot, st) if st is not SlotState.GOOD else None,
        )
        node.run()

        assert node.broken_promises(set(HEALTHY.allowed)) != []


def test_a_write_past_the_points_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import _io

    right = guard.save_record

    def past(folder: Path, name: str, value: dict[str, object]) -> None:
        with _io.open(folder / "note", "wb") as file:
            file.write(b"x")
        right(folder, name, value)

    monkeypatch.setattr(guard, "save_record", past)

    with pytest.raises(AssertionError, match="without a crash point"):
        undisturbed(tmp_path / "node", HEALTHY, Node)
