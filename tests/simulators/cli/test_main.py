"""`surefoot sim` is found from the command line, with its commands."""

from __future__ import annotations

from click.testing import CliRunner

from surefoot_server.cli import main
from surefoot_simulators.cli.main import sim


def test_the_command_line_knows_the_group_and_its_commands() -> None:
    shown = CliRunner().invoke(main.cli, ["sim", "--help"])

    assert shown.exit_code == 0
    assert all(name in shown.output for name in sim.commands)
