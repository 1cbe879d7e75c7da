"""`surefoot completion`: scripts that the shells take, and answers that are right and cheap."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from surefoot_server.cli import main
from surefoot_server.cli.completion import SHELLS, source


def complete(*words: str) -> list[str]:
    """What a shell would be told after these words; the last one is incomplete."""
    result = CliRunner().invoke(
        main.cli,
        prog_name="surefoot",
        complete_var="_SUREFOOT_COMPLETE",
        env={
            "_SUREFOOT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("surefoot", *words)),
            "COMP_CWORD": str(len(words)),
        },
    )
    return [line.partition(",")[2] for line in result.output.splitlines()]


def test_commands_verbs_options_and_values_are_completed() -> None:
    assert complete("ro") == ["rollout"]
    assert set(complete("rollout", "re")) == {"resume", "revert", "reject", "retry"}
    assert "--policy" in complete("rollout", "start", "--po")
    assert complete("rollout", "halt", "r1", "--committed", "k") == ["keep"]
    assert "--server" in complete("--se")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_calls_the_program_by_the_variable_that_it_hears(shell: str) -> None:
    script = source(shell)

    assert f"_SUREFOOT_COMPLETE={shell}_complete" in script
    assert "surefoot" in script


def test_the_script_is_printed_alone_and_its_place_is_told() -> None:
    result = CliRunner().invoke(main.cli, ["completion", "fish"])

    assert result.stdout == source("fish") + "\n"
    assert "completions/surefoot.fish" in result.stderr
    assert CliRunner().invoke(main.cli, ["completion", "tcsh"]).exit_code == 2


def test_bash_takes_its_script() -> None:
    said = subprocess.run(["bash", "-n"], input=source("bash"), text=True, capture_output=True, check=False)

    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.slow
def test_bash_completes_with_the_installed_program() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from surefoot_server.cli.main import main; main()"],
        env={**os.environ, "_SUREFOOT_COMPLETE": "bash_complete", "COMP_WORDS": "surefoot dev", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.stdout == "plain,device\n"


@pytest.mark.slow
def test_the_first_word_imports_no_command() -> None:
    program = (
        "import sys\nfrom surefoot_server.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in sys.modules if m in ('httpx', 'rich', 'surefoot_server.cli.rollout')], file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_SUREFOOT_COMPLETE": "bash_complete", "COMP_WORDS": "surefoot r", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "plain,rollout" in said.stdout
    assert said.stderr == "[]\n"
