"""Where data and talk go, and how tables are drawn."""

from __future__ import annotations

import click
import pytest

from surefoot_server.cli.terminal import Terminal, columns, count, facts, passphrase
from surefoot_shared.errors import ConfigError, NotAllowed


def test_data_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()

    terminal.data({"id": "r1"}, "r1 runs")
    terminal.say("be patient")

    assert capsys.readouterr() == ("r1 runs\n", "be patient\n")


def test_json_is_the_value_as_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(json=True).data({"name": "é", "n": None}, "words")

    assert capsys.readouterr().out == '{\n  "name": "é",\n  "n": null\n}\n'


def test_nothing_is_asked_where_nobody_can_answer() -> None:
    with pytest.raises(click.UsageError, match="give --yes"):
        Terminal().confirm("Halt it?", yes=False)

    Terminal().confirm("Halt it?", yes=True)


def test_a_missing_token_file_is_named(tmp_path: object) -> None:
    from pathlib import Path

    with pytest.raises(NotAllowed, match=r"/nowhere/token cannot be read"):
        Terminal(token_file=Path("/nowhere/token")).api()


def test_a_passphrase_is_never_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUREFOOT_PASSPHRASE_FILE", raising=False)

    with pytest.raises(ConfigError, match="nobody can be asked"):
        passphrase(new=True)


def test_columns_align_and_numbers_stand_to_the_right() -> None:
    assert columns(("NAME", "N"), [("a", 5), ("longer", 100), (None, 7)]) == "\n".join(
        ["NAME      N", "a         5", "longer  100", "          7"]
    )


def test_a_table_without_rows_is_its_head() -> None:
    assert columns(("NAME", "N"), []) == "NAME  N"


def test_facts_leave_out_what_is_not_there() -> None:
    assert facts([("State", "held"), ("Reason", ""), ("Who", None), ("N", 0)]) == "State  held\nN      0"


def test_one_is_not_plural() -> None:
    assert (count(0, "device"), count(1, "device"), count(2, "device")) == ("0 devices", "1 device", "2 devices")
