"""What the node still has for two releases is the kernel's word; the processes themselves are played in test_shadow."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import pair


def test_what_the_node_has_left_is_the_kernels_word_and_no_alarm_where_it_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "MEMINFO", tmp_path / "meminfo")
    assert pair.available_ratio() == 1.0
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n")

    assert pair.available_ratio() == 0.25
