"""`surefoot sim forecast`: three files in, one answer out, and each mistake named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.cli import main

FLEET = "offline: {share: 0%}\ngroups: [{count: 30, hw: pi, site: hn, sites: 3}]\n"
POLICY = "phases: [{name: first, percent: 20, min_devices: 6, bake: 10m}, {name: rest, percent: 100, bake: 10m}]\n"
RELEASE = "healthy: {failed: 0%, reverted: 0%, lost: 0%}\nbad: {reverted: 100%}\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in {"fleet": FLEET, "policy": POLICY, "release": RELEASE}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def asked(files: Path, *more: str) -> int:
    given = [f"--{name}={files}/{name}.yaml" for name in ("fleet", "policy", "release")]
    return main.run(["sim", "forecast", *given, "--runs", "2", *more])


def test_words_and_bars_for_a_person(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(files) == 0

    said = capsys.readouterr().out
    assert "100.0% of runs" in said
    assert [line.split()[0] for line in said.splitlines()[-2:]] == ["first", "rest"]
    assert "█" in said


def test_json_for_a_machine_and_the_seed_decides(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked(files, "--json")
    first = capsys.readouterr().out
    asked(files, "--json", "--seed", "1")
    again = capsys.readouterr().out
    asked(files, "--json", "--seed", "2")

    found = json.loads(first)
    assert (found["devices"], found["missed"]["runs"], found["exposed"]["most"] <= 6) == (30, 0, True)
    assert first == again != capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("fleet", "groups: [{count: 3}]", "The fleet: line 1: groups[0].hw: it is missing"),
        ("release", "bad: {reverted: 20}", "The release: line 1: bad.reverted"),
        ("release", "bad: {on: [nothere]}", "The release: line 1: bad.on[0]: no device that gets it is 'nothere'"),
        ("release", "bad: {metrics: {camera_fsp: {ratio: 0.9}}}", "line 1: bad.metrics.camera_fsp: neither the"),
        ("policy", "phases: 3", "The policy: line 1: phases"),
    ],
)
def test_a_mistake_in_a_file_is_named_and_exits_with_2(
    files: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    (files / f"{name}.yaml").write_text(text)

    assert asked(files) == 2

    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "fleet.yaml").unlink()

    assert asked(files) == 2

    assert "fleet.yaml cannot be read: No such file" in capsys.readouterr().err
