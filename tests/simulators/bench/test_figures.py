"""A figure says the truth about its goal, in every form it is shown in."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from surefoot_simulators.bench.figures import Better, Figure, Peer, as_json, as_table, record

IDLE = Figure("idle memory", 31.4567, "MiB", 40, peers=(Peer("bare python3", 8.5),), note="one process")
SLOW = Figure("seconds to commit", 12.0, "s", 10)
RATE = Figure("events", 900.0, "1/s", 1000, better=Better.HIGHER)


@pytest.mark.parametrize(
    ("figure", "reached"),
    [(IDLE, True), (SLOW, False), (RATE, False), (Figure("edge", 10.0, "s", 10), True)],
)
def test_a_goal_is_reached_only_on_its_own_side(figure: Figure, reached: bool) -> None:
    assert figure.reached is reached


def test_json_holds_one_object_a_figure_with_its_peers() -> None:
    rows = json.loads(as_json([IDLE, SLOW]))

    assert [row["reached"] for row in rows] == [True, False]
    assert rows[0] == {
        "name": "idle memory",
        "value": 31.457,
        "unit": "MiB",
        "goal": 40,
        "better": "lower",
        "reached": True,
        "peers": [{"name": "bare python3", "value": 8.5}],
        "note": "one process",
    }


def test_the_table_says_no_in_words_where_a_goal_is_missed() -> None:
    columns = [list(column.cells) for column in as_table([IDLE, SLOW]).columns]

    assert columns[3] == ["yes", "NO"]
    assert columns[4] == ["bare python3 8.50", "none"]


def test_kept_figures_are_appended_under_their_date_and_never_overwrite_older_ones(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"

    record([IDLE], page, date(2026, 1, 2), "x86_64, 2 cores")
    record([SLOW], page, date(2026, 1, 3), "x86_64, 2 cores")

    text = page.read_text()
    assert text.count("# Benchmarks\n") == 1
    assert text.index("## 2026-01-02") < text.index("31.46 MiB") < text.index("## 2026-01-03") < text.index("12.00 s")
