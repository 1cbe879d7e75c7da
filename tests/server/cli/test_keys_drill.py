"""`surefoot keys drill`: a table, JSON, and an exit code that a nightly job can act on."""

from __future__ import annotations

import json

import pytest

from surefoot_server.cli.main import run
from surefoot_server.keys import scratch
from surefoot_server.keys.drill import SCENES

pytestmark = pytest.mark.slow
Capture = pytest.CaptureFixture[str]


def test_the_table_says_what_a_fleet_would_have_seen(capsys: Capture) -> None:
    assert run(["keys", "drill"]) == 0

    said = capsys.readouterr()
    assert "WHAT A DEVICE DOES" in said.out
    assert "refuses the release (not_released)" in said.out
    assert "Every defence held." in said.out
    assert said.err.count("held  ") == len(SCENES)


def test_a_defence_that_failed_exits_with_8_and_names_what_was_expected(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "THRESHOLDS", ("root=2/3", "targets=2/3", "release=1/3"))

    assert run(["keys", "drill", "--json"]) == 8

    found = json.loads(capsys.readouterr().out)
    assert not found["held"]
    assert [scene["name"] for scene in found["scenes"] if not scene["held"]] == ["theft of a release key"]
