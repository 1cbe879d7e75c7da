"""How often the judge is wrong, on rollouts whose truth is known; the page shows what this run shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot_simulators.truth import FLEETS, SPEEDS, Row, metric_row, metric_rows, rate_rows, to_markdown

PAGE = Path(__file__).parents[2] / "docs" / "judge.md"
CHANCE = 1.7
"""Points that a thousand rollouts may lie above a true 5 % (99 % of the time)."""
SHIFTS = 1.0
"""Points by which another version of the statistics may move a row."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("night", [False, True])
def test_false_halts_and_misses_of_metrics_stay_within_the_stated_bounds(night: bool) -> None:
    rows = list(metric_rows(night=night))
    print(to_markdown(rows))

    assert max(r.false_halts for r in rows if r.false_halts is not None) <= 5 + CHANCE
    assert max(r.failed for r in rows if r.case.startswith("no change")) <= 0.5
    assert max(r.misses for r in rows if r.case.startswith("10 %") and r.misses is not None) <= 1.0
    shown = _shown("metrics")
    half = len(shown) // 2
    assert (shown[half:] if night else shown[:half]) == pytest.approx(_figures(rows), abs=SHIFTS)


def test_false_halts_and_misses_of_outcomes_stay_within_the_stated_bounds() -> None:
    rows = list(rate_rows())
    print(to_markdown(rows))

    assert max(r.failed for r in rows if r.case.startswith("healthy")) <= 2.0
    assert max(r.failed for r in rows if r.case.startswith("at the limits")) <= 30.0
    assert max(r.passed for r in rows if r.bad and r.devices == 2000) <= 5.0
    assert _shown("outcomes") == pytest.approx(_figures(rows), abs=SHIFTS)


def test_the_same_seed_gives_the_same_rollouts_and_another_case_others() -> None:
    once, again = (metric_row(FLEETS[0], 0.97, "x", False, 30) for _ in range(2))

    assert once == again
    assert once != metric_row(FLEETS[0], 0.97, "x", True, 30)
    assert once.failed + once.held + once.passed == pytest.approx(100)


def test_every_speed_is_either_a_false_halt_or_a_miss_away_from_the_truth() -> None:
    rows = [Row("x", 40, 4, ratio < 0.97, 10, 20, 70) for ratio, _ in SPEEDS]

    assert [r.false_halts for r in rows] == [10, 10, None, None]
    assert [r.misses for r in rows] == [None, None, 70, 70]


def _figures(rows: Sequence[Row]) -> list[float]:
    return [round(value, 1) for r in rows for value in (r.failed, r.held, r.passed)]


def _shown(block: str) -> list[float]:
    """The three shares of each row of the page's table."""
    text = PAGE.read_text().partition(f"<!-- begin {block} -->")[2].partition(f"<!-- end {block} -->")[0]
    lines = [line.split("|")[4:7] for line in text.splitlines() if line.endswith("|")][2:]
    return [float(re.sub(r"[ %]", "", cell)) for cells in lines for cell in cells]
