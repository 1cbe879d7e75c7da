"""Backup and restore as an operator calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.cli.main import run
from tests.server.rig import Rig


def test_a_server_goes_into_a_file_and_back(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--data", str(rig.state.settings.data_dir), "--keys", str(rig.keys)]
    file, new = str(tmp_path / "b.tar"), ["--data", str(tmp_path / "n" / "d"), "--keys", str(tmp_path / "n" / "k")]

    assert run(["--json", "backup", *places, file]) == 0
    made = json.loads(capsys.readouterr().out)
    assert run(["restore", *new, file]) == 0
    assert f"{made['files']} files are in {tmp_path / 'n' / 'd'}" in capsys.readouterr().out
    assert run(["restore", *new, file]) == 5
    assert "not empty" in capsys.readouterr().err
