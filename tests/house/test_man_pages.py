"""The manual pages: one for each command, and groff takes them without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from surefoot_server.cli.main import cli
from tests.house.tree import ROOT

PROGRAM = "import sys\nsys.path.insert(0, 'docs')\nimport man_pages\nfor n, t in man_pages.pages().items():\n"
PROGRAM += "    open(sys.argv[1] + '/' + n, 'w').write(t)\n"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], cwd=ROOT, check=True, timeout=60)
    return {file.name: file for file in folder.iterdir()}


@pytest.mark.slow
def test_every_command_has_its_page_with_all_its_options(pages: dict[str, Path]) -> None:
    names = cli.list_commands(click.Context(cli))
    assert set(pages) == {"surefoot.1", "surefoot-agent.1", *(f"surefoot-{name}.1" for name in names)}
    rollout = pages["surefoot-rollout.1"].read_text().replace("\\-", "-")
    assert ".SS surefoot rollout start [OPTIONS]" in rollout
    assert "--committed [keep|revert]" in rollout
    assert "surefoot-agent enrol" in pages["surefoot-agent.1"].read_text().replace("\\-", "-")
    assert ".TP\n\\fB7\\fR\ntimed out waiting" in pages["surefoot.1"].read_text()


@pytest.mark.slow
@pytest.mark.needs("groff")
def test_groff_takes_every_page_and_no_line_is_lost(pages: dict[str, Path]) -> None:
    for page in pages.values():
        said = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=100n", page],
            capture_output=True,
            text=True,
            check=False,
        )

        assert (page.name, said.returncode, said.stderr) == (page.name, 0, "")
        assert "SYNOPSIS" in said.stdout
