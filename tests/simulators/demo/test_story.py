"""The story's own material: releases, policies and budgets that fit together, before any process is started."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from surefoot_agent.health.probation import needed_s
from surefoot_agent.ports import Suite
from surefoot_server.releases.recipe import read_recipe
from surefoot_server.rollouts import policy
from surefoot_shared.errors import Unreachable
from surefoot_shared.release import Manifest, TreeFile
from surefoot_simulators.camera.tree import write_recipe
from surefoot_simulators.demo import promises, story
from surefoot_simulators.demo.seen import Finding, SeenRollout
from surefoot_simulators.demo.server import CommandFailed
from surefoot_simulators.demo.view import LineView


def test_counters_rise_with_the_versions_and_only_one_release_is_bad() -> None:
    assert [r.counter for r in story.RELEASES] == sorted({r.counter for r in story.RELEASES})
    assert [r.version for r in story.RELEASES if r.faults.freeze_after_s] == ["1.2"]


@pytest.mark.parametrize("name", ["careful.yaml", "single.yaml"])
def test_its_policies_are_ones_that_the_server_reads(name: str) -> None:
    parsed = policy.parse((story.POLICIES / name).read_text())

    assert parsed.phases[-1].percent == 100
    assert all(phase.bake_s <= 3.0 for phase in parsed.phases)


def test_the_freeze_shows_before_the_soak_is_over() -> None:
    assert story.FREEZE_AFTER_S < story.SOAK_S


def test_the_guard_waits_longer_than_an_honest_probation_may_take(tmp_path: Path) -> None:
    write_recipe(tmp_path / "release.toml", story.SOAK_S)
    recipe = read_recipe(tmp_path / "release.toml")
    file = TreeFile("bin/camera-app", 0o755, 0, "0" * 64)
    manifest = Manifest("app", "1.1", 1, 0, ("rpi5",), (file,), recipe.application, recipe.checks, recipe.probation)

    assert needed_s(Suite(manifest, manifest.checks)) < story.GUARD_BUDGET_S


def test_only_a_full_set_of_kept_promises_is_a_success() -> None:
    everything = tuple(Finding(promised, "seen", True) for promised in promises.ALL)

    assert story.kept(everything)
    assert not story.kept(everything[1:])
    assert not story.kept((*everything[1:], Finding(promises.ALL[0], "", False)))


def test_an_act_that_fails_leaves_its_promises_broken_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = story.Story(tmp_path, LineView(Console(file=io.StringIO())))

    def fails() -> None:
        raise CommandFailed("the server did not start: port taken")

    monkeypatch.setattr(played, "enrol_everybody", fails)
    findings = played.play()
    played.close()

    assert [f.promised for f in findings] == list(promises.ALL)
    assert {f.promised for f in findings if f.kept} == {promises.IN_TIME}
    assert "port taken" in findings[0].seen


def test_an_answer_that_comes_late_once_does_not_end_the_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = story.Story(tmp_path, LineView(Console(file=io.StringIO())))
    states = iter(("late", "running", "late", "succeeded"))

    def rollout(_: str) -> SeenRollout:
        state = next(states)
        if state == "late":
            raise Unreachable("unreachable", "the server cannot be reached: timed out.")
        return SeenRollout("r1", "1.1", state, "everybody committed it", (), ())

    monkeypatch.setattr(played.server.api, "rollout", rollout)
    said: list[str] = []
    monkeypatch.setattr(played.view, "say", said.append)

    played._until_ended("r1", 60.0)

    assert said == ["rollout r1 succeeded: everybody committed it"]
    assert next(states, None) is None
