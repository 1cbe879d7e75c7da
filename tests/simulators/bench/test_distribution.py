"""Our listener and nginx serve the same file to the same clients."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from surefoot_simulators.bench import distribution


@pytest.mark.slow
def test_one_process_hands_out_a_file_and_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "ROUNDS", 1)
    monkeypatch.setattr(distribution, "FILE_MIB", 8)
    monkeypatch.setattr(shutil, "which", lambda *_name: None)

    (figure,) = distribution.measure(tmp_path, lambda _line: None)

    assert figure.value > 1
    assert "apt-get install nginx-light" in figure.note
