from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.__main__ import main
from tests.agent.test_helper import enrolled_folder


def settings(folder: Path, split: bool = True) -> list[str]:
    file = folder / "agent.toml"
    lines = [f'state_dir = "{folder}/state"', f'helper_dir = "{folder}/helper"']
    lines += [f'helper_socket = "{folder}/helper.sock"'] if split else []
    file.write_text("\n".join(lines) + "\n")
    return ["--config", str(file)]


def test_adopting_says_who_holds_the_device_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enrolled_folder(tmp_path / "state")

    assert main(["adopt", *settings(tmp_path)]) == 0

    assert f"{tmp_path}/helper holds this device" in capsys.readouterr().err
    assert main(["adopt", *settings(tmp_path)]) == 5


@pytest.mark.parametrize("verb", ["adopt", "helper"])
def test_a_device_that_is_not_split_is_told_which_setting_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert main([verb, *settings(tmp_path, split=False)]) == 2

    assert "helper_socket" in capsys.readouterr().err
