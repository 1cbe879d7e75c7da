from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.finding import Finding
from surefoot_agent.privileged import inquiry
from tests.agent.privileged.image_rig import ImageRig
from tests.agent.privileged.rig import Rig


def asked(board: ImageRig) -> inquiry.Board:
    settings = Settings(state_dir=board.folder, helper_socket=str(board.path))
    return inquiry.board_of(settings, ComponentSettings(kind="image", boot="uboot", name="app"))


def test_a_board_is_judged_by_the_half_that_may_look_at_it(board: ImageRig) -> None:
    found = (Finding("boot", True, "Slot A runs."), Finding("panic", False, "It stays where it is.", "Set panic=5."))
    board.server.stop()
    board.estate = replace(board.estate, examine=lambda: found)
    board.serve()

    seen = asked(board)

    assert seen.findings == found
    assert (seen.current, seen.states) == ("A", {"A": "good", "B": "empty"})


def test_boot_control_that_does_not_answer_is_found_and_nothing_is_claimed(board: ImageRig) -> None:
    board.server.stop()
    board.estate = replace(board.estate, examine=lambda: (Finding("boot", False, "No canary."),))
    board.serve()

    seen = asked(board)

    assert (seen.current, set(seen.states.values())) == (None, {"empty"})


def test_a_helper_that_is_away_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "PATIENCE_S", 0.0)
    settings = Settings(state_dir=tmp_path, helper_socket=str(tmp_path / "nobody.sock"))

    seen = inquiry.board_of(settings, ComponentSettings(kind="image", boot="uboot", name="rootfs"))

    assert [(finding.name, finding.ok) for finding in seen.findings] == [("boot", False)]
    assert "surefoot-helper" in seen.findings[0].hint


def test_of_folders_that_anybody_may_read_the_helper_is_asked_whether_it_is_there(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "PATIENCE_S", 0.0)
    settings = Settings(state_dir=rig.folder.parent, helper_socket=str(rig.folder.parent / "helper.sock"))

    there = inquiry.helper_of(settings, ComponentSettings(name="app"))
    of_another = inquiry.helper_of(settings, ComponentSettings(name="model"))
    rig.server.stop()
    away = inquiry.helper_of(settings, ComponentSettings(name="app"))

    assert (there.name, there.ok) == ("helper", True)
    assert (of_another.ok, of_another.message) == (False, "There is no model here.")
    assert not away.ok
    assert "surefoot-helper" in away.hint
