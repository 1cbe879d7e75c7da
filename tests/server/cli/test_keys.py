"""`surefoot keys`: works without a server, shows no secret, and is loud about one key."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.cli.main import run


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_text("correct horse battery")
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(file))


def test_keys_are_made_with_a_loud_banner_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "init", str(tmp_path / "keys"), "--fleet", "hanoi"]) == 0
    made = capsys.readouterr()
    assert run(["keys", "show", str(tmp_path / "keys")]) == 0
    shown = capsys.readouterr()

    assert "ONE KEY, ONE PERSON" in made.err
    assert (tmp_path / "keys" / "bootstrap" / "image.root.json").exists()
    assert "hanoi" in shown.out
    assert "1 of 1" in shown.out
    assert "PRIVATE" not in shown.out


def test_a_folder_without_keys_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "show", str(tmp_path)]) == 2
    assert "key_missing" in capsys.readouterr().err


def test_a_component_name_that_is_none_exits_with_2(tmp_path: Path) -> None:
    assert run(["keys", "init", str(tmp_path / "keys"), "--component", "../x"]) == 2
    assert not (tmp_path / "keys").exists()
