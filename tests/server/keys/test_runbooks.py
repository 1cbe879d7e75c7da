"""docs/keys.md is executed: every command of every section, from an empty folder, and the fleet that results works."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from surefoot_server.cli.main import run
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.keys.quorum import read_plan
from tests.house.tree import ROOT
from tests.server.keys.fleet import PASSPHRASE

PAGE = ROOT / "docs" / "keys.md"


def sections() -> dict[str, list[str]]:
    """Heading → the command lines below it."""
    found: dict[str, list[str]] = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        lines = [line for block in re.findall(r"```sh\n(.*?)```", body, re.DOTALL) for line in block.splitlines()]
        if lines:
            found[title] = lines
    return found


def test_the_runbooks_cover_rotation_theft_loss_and_expiry() -> None:
    titles = " ".join(sections())

    for word in ("Rotate", "stolen", "lost", "expires", "thresholds", "Rehearse", "two of three"):
        assert word in titles


@pytest.mark.parametrize(
    "title", [pytest.param(title, marks=pytest.mark.slow if title == "Rehearse" else ()) for title in sections()]
)
def test_a_runbook_works_as_it_is_written(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "passphrase"
    secret.touch(0o600)
    secret.write_bytes(PASSPHRASE)
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(secret))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    for line in sections()[title]:
        if line.startswith("surefoot "):
            assert run(shlex.split(line)[1:]) == 0, line
        else:
            subprocess.run(["sh", "-c", line], check=True)

    if Path("keys").exists():
        installed = install_keys(Path("keys"), Path("server"))
        assert OnlineRepository(installed.repo_dir, installed.online_dir).components() == ("app",)
        assert not (Path("keys") / "pending" / "online").exists()


def test_the_plan_in_the_page_is_one_that_is_read(tmp_path: Path) -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "plan.toml").write_text(plan)

    assert read_plan(tmp_path / "plan.toml").signers["director"] == ("hsm:2?label=server",)
