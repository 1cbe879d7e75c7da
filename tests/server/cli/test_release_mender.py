"""`surefoot release unpack` says what it found, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from surefoot_server.cli.main import cli
from tests.server.releases.test_mender import artifact


def test_it_names_the_artifact_its_module_and_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["release", "unpack", str(artifact(tmp_path)), str(out)])

    assert done.exit_code == 0, done.stdout
    assert done.stdout == f"counting-1.8: 2 files for the module single-file, in {out}\n"
    assert 'depends on {"device_type":["rpi5"]}' in done.stderr


def test_as_json_it_is_the_payload(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["release", "unpack", "--json", str(artifact(tmp_path)), str(tmp_path / "out")])

    assert json.loads(done.stdout)["payload"]["type"] == "single-file"
