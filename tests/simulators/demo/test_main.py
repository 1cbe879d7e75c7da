"""The command: refuses a folder that holds something, and says how it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.demo.__main__ import main


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("x")

    code = main(["--keep", str(tmp_path)])

    assert code == 1
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "make demo STAY=1" in capsys.readouterr().out


def test_an_unknown_option_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--fast"])

    assert ended.value.code == 2
