"""Channels at a terminal: the exit code says whether a release is ready."""

from __future__ import annotations

from pathlib import Path

from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet


def test_a_release_is_promoted_step_by_step(surefoot: Operator, fleet: Fleet, tmp_path: Path) -> None:
    requires = tmp_path / "requires.yaml"
    requires.write_text("{baked: {for: 0s, devices: 4}, tests: [night]}")
    dev = "hw == 'rpi5'"
    surefoot("channel", "create", "dev", "--cohort", dev)
    made = surefoot("channel", "create", "production", "--after", "dev", "--cohort", "all", "--requires", requires)
    surefoot("release", "promote", "app/1.1", "--to", "dev", "--yes")
    fleet.start(cohort=dev, policy="phases: [{percent: 100, bake: 1s}]\n")
    fleet.commit(*fleet.wished())

    early = surefoot("release", "promote", "app/1.1", "--to", "production", "--yes")
    noted = surefoot("channel", "test", "dev", "app/1.1", "night")
    ready = surefoot("channel", "ready", "production", "app/1.1")
    done = surefoot("release", "promote", "app/1.1", "--to", "production", "--yes")

    assert made.out == "Channel production is made, after dev.\n"
    assert early.code == 6
    assert "test night" in early.err
    assert "it did not run" in early.err
    assert noted.out == "Noted for app/1.1 in dev: test night, yes.\n"
    assert ready.code == 0
    assert (done.code, done.out) == (0, "app/1.1 is in production.\n")
    assert "app/1.1" in surefoot("channel", "show", "production").out


def test_reports_name_what_to_do(surefoot: Operator, fleet: Fleet) -> None:
    surefoot("channel", "create", "dev", "--cohort", "all")
    surefoot("release", "promote", "app/1.1", "--to", "dev", "--yes")

    assert 'surefoot rollout start --release app/1.1 --cohort "all"' in surefoot("channel", "parity").out
    assert "no channel holds it and devices run it" in surefoot("channel", "cleanup").out
    assert surefoot("channel", "list").out.splitlines()[1].split()[0] == "dev"


def test_a_refusal_is_noted_and_a_missing_file_is_told(surefoot: Operator, fleet: Fleet) -> None:
    surefoot("channel", "create", "dev", "--cohort", "all")
    surefoot("release", "promote", "app/1.1", "--to", "dev", "--yes")

    said = surefoot("channel", "accept", "dev", "app/1.1", "--refuse", "--note", "blurred")

    assert said.out.endswith(", no.\n")
    assert surefoot("channel", "create", "x", "--cohort", "all", "--policy", "/nowhere.yaml").code == 2
