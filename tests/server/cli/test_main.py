"""The command line as a whole: help that is pinned, exit codes, errors made of what and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from surefoot_server.cli import main
from surefoot_shared.errors import (
    ConfigError,
    Conflict,
    InstallFailed,
    Invalid,
    NotAllowed,
    NotFound,
    SurefootError,
    Unreachable,
    UntrustedRelease,
)
from tests.server.cli.conftest import Operator

GOLDEN = Path(__file__).parent / "golden"


def commands() -> Iterator[tuple[str, ...]]:
    yield ()
    context = click.Context(main.cli)
    for name in main.cli.list_commands(context):
        yield (name,)
        found = main.cli.get_command(context, name)
        if isinstance(found, click.Group):
            yield from ((name, verb) for verb in found.commands)


def help_of(path: tuple[str, ...]) -> str:
    """The help text at a width of 100, as a terminal shows it."""
    result = CliRunner().invoke(main.cli, [*path, "--help"], prog_name="surefoot", terminal_width=100)
    assert result.exit_code == 0
    return result.output


PATHS = list(commands())


@pytest.mark.parametrize("path", PATHS, ids=lambda p: " ".join(p) or "surefoot")
def test_the_help_is_what_was_agreed(path: tuple[str, ...]) -> None:
    """After a wanted change: SUREFOOT_GOLDEN=write .venv/bin/python -m pytest tests/server/cli/test_main.py"""
    file = GOLDEN / ("-".join(("surefoot", *path)) + ".txt")
    if os.environ.get("SUREFOOT_GOLDEN") == "write":
        file.write_text(help_of(path))

    assert help_of(path) == file.read_text()


def test_no_pinned_help_is_left_over_from_a_command_that_is_gone() -> None:
    wanted = {"-".join(("surefoot", *path)) + ".txt" for path in PATHS}

    assert {file.name for file in GOLDEN.iterdir()} == wanted


@pytest.mark.parametrize("path", PATHS, ids=lambda p: " ".join(p) or "surefoot")
def test_every_help_has_an_example_that_calls_it(path: tuple[str, ...]) -> None:
    _, found, example = help_of(path).partition("Example:\n")

    assert found
    assert " ".join(("surefoot", *path)) in example


@pytest.mark.parametrize("path", [p for p in PATHS if len(p) == 2], ids=" ".join)
def test_every_command_knows_json(path: tuple[str, ...]) -> None:
    assert "--json" in help_of(path)


def test_the_overview_loads_no_command() -> None:
    code = (
        "import sys\n"
        "from surefoot_server.cli.main import run\n"
        "run(['--help'])\n"
        "heavy = {'httpx', 'rich', 'fastapi', 'sqlmodel', 'yaml', 'lark', 'scipy', 'tuf'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SurefootError("internal", "m"), 1),
        (ConfigError("config_invalid", "m"), 2),
        (ConfigError("already_running", "m"), 5),
        (ConfigError("port_in_use", "m"), 5),
        (Unreachable("unreachable", "m"), 1),
        (InstallFailed("no_space", "m"), 1),
        (Invalid("malformed", "m"), 2),
        (NotFound("not_found", "m"), 3),
        (NotAllowed("not_allowed", "m"), 4),
        (Conflict("conflict", "m"), 5),
        (UntrustedRelease("metadata_untrusted", "m"), 8),
    ],
)
def test_each_family_has_its_exit_code(error: SurefootError, code: int) -> None:
    assert main.exit_code(error) == code


def test_an_error_says_what_and_what_to_do() -> None:
    error = Conflict("conflict", "A rollout that is held cannot pause.", "Possible now: resume.")

    assert main.told(error) == "Error: A rollout that is held cannot pause. [conflict]\n  Possible now: resume."


@pytest.mark.parametrize(
    "arguments", [["fly"], ["rollout", "fly"], ["rollout", "status"], ["rollout", "status", "r1", "--fly"]]
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 2
    assert "Usage:" in capsys.readouterr().err


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert metadata.version("surefoot") in capsys.readouterr().out


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("surefoot_server.config.load", interrupt)

    assert main.run(["up"]) == 130


def test_without_a_token_it_says_where_the_first_one_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SUREFOOT_TOKEN_FILE", raising=False)

    assert main.run(["device", "list"]) == 4
    assert "surefoot up" in capsys.readouterr().err


def test_a_wrong_token_exits_with_4(surefoot: Operator, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("sf_nobody_knows")

    assert surefoot("--token-file", file, "device", "list").code == 4


def test_a_server_that_is_not_there_exits_with_1_and_its_address(surefoot: Operator) -> None:
    said = surefoot("--server", "http://127.0.0.1:9", "device", "list")

    assert said.code == 1
    assert "http://127.0.0.1:9 cannot be reached" in said.err


def test_a_reader_that_leaves_is_no_crash(surefoot: Operator, tmp_path: Path) -> None:
    script = f"{Path(sys.executable).parent / 'surefoot'} --help | true"

    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60)

    assert "Traceback" not in done.stderr


def test_other_packages_add_commands_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def extra() -> int:
        """Do what only this house needs."""
        return 6

    class Point:
        name, value = "extra", "surefoot_extra.cli:extra"

        def load(self) -> click.Command:
            return extra

    monkeypatch.setattr(metadata, "entry_points", lambda group: [Point()] if group == "surefoot.cli" else [])

    assert "extra        Added by surefoot_extra." in help_of(())
    assert main.run(["extra"]) == 6
