"""One series of values drawn as a line by the server, so that it reads without scripts. Pure: numbers in, numbers out.

Promises: at most WIDTH / 2 points are drawn however many there are, and the extremes of each stretch are among them; a
gap in the data is a gap in the line; a line that does not move is drawn in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 70, 12, 10, 24
GAP = 5.0
"""Times the usual distance of two values: longer than that nothing was measured."""
STEPS_S = (60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800)

Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the drawing at `place`: a value or a moment."""

    place: float
    value: float
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """`path` is the line as SVG draws it; `dots` stand where a value has no neighbour to draw a line to."""

    path: str
    dots: tuple[tuple[float, float], ...]
    values: tuple[Tick, ...]
    times: tuple[Tick, ...]
    low: float
    high: float
    last: float


def draw(points: Sequence[Point], start: datetime, end: datetime) -> Chart | None:
    """Draw the points, the oldest first, from `start` to `end`; None where there is none."""
    if not points:
        return None
    values = [value for _, value in points]
    ticks = _value_ticks(min(values), max(values))
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    span_s = max(1.0, (end - start).total_seconds())

    def x(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - start).total_seconds() / span_s, 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    strokes = [[(x(at), y(value)) for at, value in run] for run in _runs(_thinned(points))]
    path = " ".join("M" + " L".join(f"{px} {py}" for px, py in stroke) for stroke in strokes if len(stroke) > 1)
    return Chart(
        path=path,
        dots=tuple(stroke[0] for stroke in strokes if len(stroke) == 1),
        values=tuple(Tick(y(value), value) for value in ticks),
        times=tuple(Tick(x(at), 0.0, at) for at in _time_ticks(start, end)),
        low=min(values),
        high=max(values),
        last=values[-1],
    )


def _thinned(points: Sequence[Point]) -> list[Point]:
    """The lowest and the highest of each stretch, in the order of time."""
    size = math.ceil(len(points) / (WIDTH / 4))
    if size <= 2:
        return list(points)
    kept: list[Point] = []
    for begin in range(0, len(points), size):
        stretch = points[begin : begin + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    steps = sorted((b[0] - a[0]).total_seconds() for a, b in pairwise(points))
    longest = GAP * max(1.0, steps[len(steps) // 2]) if steps else 0.0
    run = [points[0]]
    for before, after in pairwise(points):
        if (after[0] - before[0]).total_seconds() > longest:
            yield run
            run = []
        run.append(after)
    yield run


def _value_ticks(low: float, high: float) -> list[float]:
    """Three to six round values around what was measured."""
    if high - low <= abs(high) * 1e-9:
        reach = abs(high) / 2 or 1.0
        low, high = low - reach, high + reach
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _time_ticks(start: datetime, end: datetime) -> list[datetime]:
    span_s = (end - start).total_seconds()
    step_s = next((s for s in STEPS_S if span_s / s <= 7), STEPS_S[-1])
    first = math.ceil(start.timestamp() / step_s) * step_s
    count = int((end.timestamp() - first) // step_s) + 1
    return [start + timedelta(seconds=first + n * step_s - start.timestamp()) for n in range(count)]
