"""The rehearsal holds on what is built here, and says so loudly where a defence is taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys import drill, scratch
from surefoot_server.keys.drill import SCENES, Scene, run_drill
from surefoot_shared.trust import verify
from tests.server.keys.fleet import NOW


@pytest.mark.slow
def test_every_defence_holds(tmp_path: Path) -> None:
    heard: list[Scene] = []

    scenes = run_drill(tmp_path, NOW, heard.append)

    assert [(scene.name, scene.seen) for scene in scenes if not scene.held] == []
    assert [scene.name for scene in scenes] == list(SCENES)
    assert heard == list(scenes)


def test_rotation_loss_theft_of_each_key_and_expiry_are_rehearsed() -> None:
    names = " ".join(SCENES)

    for word in (
        "rotation",
        "above threshold",
        "below threshold",
        "director",
        "snapshot",
        "timestamp",
        "halt",
        "expires",
    ):
        assert word in names
    assert "theft of a release key" in SCENES


def failed(tmp_path: Path, patch: pytest.MonkeyPatch, *names: str) -> set[str]:
    """Of these scenes; all of them together are played above."""
    patch.setattr(drill, "SCENES", {name: SCENES[name] for name in names})
    return {scene.name for scene in run_drill(tmp_path, NOW) if not scene.held}


@pytest.mark.slow
def test_without_a_threshold_one_stolen_release_key_is_enough_and_the_drill_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "THRESHOLDS", ("root=2/3", "targets=2/3", "release=1/3"))

    assert failed(tmp_path, monkeypatch, "theft of a release key", "rotation") == {"theft of a release key"}


@pytest.mark.slow
def test_a_device_without_match_rules_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "check_target", lambda *arguments: None)

    stopped = {"theft of director", "rollback by director"}
    assert failed(tmp_path, monkeypatch, *sorted(stopped), "theft of the server") == stopped


@pytest.mark.slow
def test_a_revocation_that_changes_nothing_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "revoke", lambda *arguments: drill.rotate(arguments[0], ("image-root",), *arguments[2:]))

    assert failed(tmp_path, monkeypatch, "theft of halt", "rotation") == {"theft of halt"}
