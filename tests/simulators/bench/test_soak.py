"""What counts as growth, and a short soak on real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import soak


def test_a_process_that_keeps_growing_is_named_with_its_numbers() -> None:
    found = soak.grown({"server": [80.0, 80.0, 90.0, 95.0, 110.0, 112.0], "cam-01-agent": [38.0] * 6})

    assert found == ["server grew from 80.0 to 111.0 MiB in 6 rounds"]


def test_memory_that_moves_around_a_steady_state_is_not_growth() -> None:
    assert soak.grown({"server": [80.0, 84.0, 79.0, 83.0, 81.0, 85.0]}) == []


def test_one_high_round_is_not_growth() -> None:
    assert soak.grown({"server": [80.0, 80.0, 80.0, 80.0, 80.0, 80.0, 80.0, 80.0, 160.0]}) == []


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_short_soak_on_real_devices_commits_every_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "FEWEST_ROUNDS", 2)
    monkeypatch.setattr(soak, "GROWTH", 2.0)

    wrong = soak.play(tmp_path, seconds=0.0)

    assert wrong == []
    assert capsys.readouterr().out.count("round ") == 2
