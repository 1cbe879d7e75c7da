"""Where data and talk go, and how tables are drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from surefoot_server.cli.main import run
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


def asked(monkeypatch: pytest.MonkeyPatch, *typed: str | None) -> list[str]:
    """Let somebody type this at hidden prompts, None for Ctrl-C; return the questions."""
    questions: list[str] = []
    answers = iter(typed)

    def hidden(question: str) -> str:
        questions.append(question)
        if (answer := next(answers)) is None:
            raise KeyboardInterrupt
        return answer

    monkeypatch.delenv("SUREFOOT_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", hidden)
    return questions


def test_a_new_passphrase_is_asked_twice_and_a_known_one_once(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = asked(monkeypatch, *["correct horse"] * 3)

    assert passphrase(new=True) == passphrase(new=False) == b"correct horse"
    assert len(questions) == 3


@pytest.mark.parametrize(
    ("new", "typed", "words"),
    [
        (True, ("",), "is empty"),
        (False, ("",), "is empty"),
        (True, ("short",), "too short"),
        (False, ("short",), "cannot be opened with this passphrase"),
        (True, ("correct horse", "correct house"), "differ"),
    ],
)
def test_a_passphrase_that_will_not_do_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, new: bool, typed: tuple[str, ...], words: str
) -> None:
    asked(monkeypatch, *typed)

    with pytest.raises(ConfigError, match=words):
        passphrase(new=new)


def test_ctrl_c_at_the_passphrase_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked(monkeypatch, None)

    assert run(["keys", "init", str(tmp_path / "keys")]) == 130
    assert "Interrupted." in capsys.readouterr().err
    assert not (tmp_path / "keys").exists()


def test_adding_a_component_asks_for_the_known_passphrase_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    questions = asked(monkeypatch, *["correct horse"] * 3)

    assert run(["keys", "init", str(tmp_path / "keys")]) == 0
    assert run(["keys", "init", str(tmp_path / "keys"), "--component", "model"]) == 0
    assert len(questions) == 3


@pytest.mark.slow
@pytest.mark.parametrize("words", [("keys", "show", "nowhere"), ("release", "sign", "nowhere", "--keys", "nowhere")])
def test_what_is_done_with_keys_alone_loads_no_database(words: tuple[str, ...]) -> None:
    code = (
        f"import sys; from surefoot_server.cli.main import run; run({list(words)}); print('sqlalchemy' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
