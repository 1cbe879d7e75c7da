"""With a real server it is in tests/scenarios/test_split.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.config import load
from surefoot_simulators.demo.server import CommandFailed
from surefoot_simulators.demo.split import SplitNode


def test_its_settings_are_those_of_a_device_in_two_halves(tmp_path: Path) -> None:
    node = SplitNode("cam-1", "x86-box", tmp_path / "cam-1", {"guard_budget_s": 60.0})

    settings = load(node.config)

    assert settings.helper_socket == str(tmp_path / "cam-1" / "helper.sock")
    assert settings.component_dir("app") == node.component_dir


def test_a_device_that_cannot_enrol_says_why(tmp_path: Path) -> None:
    node = SplitNode("cam-1", "x86-box", tmp_path / "cam-1", {})

    with pytest.raises(CommandFailed, match="enrol failed"):
        node.enrol("https://127.0.0.1:9", tmp_path, "t" * 40, tmp_path)
