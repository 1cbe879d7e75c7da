"""`surefoot sim` is found from the command line, with its commands."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner

from surefoot_server.cli import main
from surefoot_simulators.cli.main import sim


def test_it_joins_by_an_entry_point_and_the_server_imports_nothing_of_it() -> None:
    asked = "import sys; from surefoot_server.cli import main; main.run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)

    assert "sim" not in main.COMMANDS
    assert "Try releases and policies on simulated fleets." in done.stdout
    assert "surefoot_simulators" not in done.stdout


def test_the_command_line_knows_the_group_and_its_commands() -> None:
    shown = CliRunner().invoke(main.cli, ["sim", "--help"])

    assert shown.exit_code == 0
    assert all(name in shown.output for name in sim.commands)
