"""One measured figure, its goal and its peers; and the three ways they are shown: table, JSON, a dated page.

Promises: `reached` follows from value, goal and direction; it is never typed in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path

from rich.table import Table


class Better(str, Enum):
    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Peer:
    """Another program doing the same thing in the same run; `value` has the unit of its figure."""

    name: str
    value: float


@dataclass(frozen=True)
class Figure:
    """`goal` is what a fleet operator is promised; `note` says what the number covers and which peers are absent."""

    name: str
    value: float
    unit: str
    goal: float
    better: Better = Better.LOWER
    peers: tuple[Peer, ...] = ()
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.goal if self.better is Better.LOWER else self.value >= self.goal


def as_json(figures: Sequence[Figure]) -> str:
    """The list that build/bench.json holds, one object a figure."""
    rows = [
        {
            "name": f.name,
            "value": round(f.value, 3),
            "unit": f.unit,
            "goal": f.goal,
            "better": f.better.value,
            "reached": f.reached,
            "peers": [{"name": p.name, "value": round(p.value, 3)} for p in f.peers],
            "note": f.note,
        }
        for f in figures
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def as_table(figures: Sequence[Figure]) -> Table:
    table = Table(title="Surefoot, measured now on this machine", title_justify="left")
    for column, justify in (("figure", "left"), ("value", "right"), ("goal", "right"), ("reached", "left")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    table.add_column("peers in the same run")
    for figure in figures:
        table.add_row(
            figure.name, _number(figure), _goal(figure), _word(figure), _peers(figure, "\n"), end_section=True
        )
    return table


def record(figures: Sequence[Figure], page: Path, on: date, machine: str) -> None:
    """Append one dated section to the page of kept figures."""
    head = "| figure | value | goal | reached | peers |\n|---|---|---|---|---|\n"
    rows = "".join(f"| {f.name} | {_number(f)} | {_goal(f)} | {_word(f)} | {_peers(f)} |\n" for f in figures)
    notes = "".join(f"- {f.name}: {f.note}\n" for f in figures if f.note)
    title = "" if page.exists() else "# Benchmarks\n\nMade by `make bench RECORD=1`; newest last.\n"
    with page.open("a") as file:
        file.write(f"{title}\n## {on.isoformat()}, {machine}\n\n{head}{rows}\n{notes}")


def _number(figure: Figure) -> str:
    return f"{figure.value:.2f} {figure.unit}"


def _goal(figure: Figure) -> str:
    return f"{'≤' if figure.better is Better.LOWER else '≥'} {figure.goal:g} {figure.unit}"


def _word(figure: Figure) -> str:
    return "yes" if figure.reached else "NO"


def _peers(figure: Figure, between: str = ", ") -> str:
    return between.join(f"{p.name} {p.value:.2f}" for p in figure.peers) or "none"
