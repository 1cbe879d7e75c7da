"""Pictures as SVG text: stacked bands over time, phases as bars, outcomes as bars. Pure.

Promises: no script, no file, no address; every colour has its name beside it, and every text is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from surefoot_simulators.world.series import Curves

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 900, 130, 14, 8, 26
BANDS_HEIGHT, ROW = 190, 26
PALETTE = ("#2f6f9f", "#c8791e", "#4b8b3b", "#8a4f9e", "#b0413e", "#3f8f8a", "#7a6a3a", "#5c6b7a")
STATE_COLOURS: Mapping[str, str] = {
    "idle": "#d5dbe1",
    "fetching": "#8fbbe0",
    "staged": "#4f86b5",
    "switching": "#e3b04b",
    "probation": "#c8791e",
    "going back": "#b0413e",
    "rescue": "#6e1f1c",
    "offline": "#7b8188",
    "nothing runs": "#3b3f45",
}
PHASE_COLOURS: Mapping[str, str] = {
    "awaiting_approval": "#b9a2c9",
    "offering": "#4f86b5",
    "baking": "#e3b04b",
    "held": "#8a4f9e",
    "passed": "#4b8b3b",
    "failed": "#b0413e",
}
OUTCOME_COLOURS: Mapping[str, str] = {
    "committed": "#4b8b3b",
    "reverted": "#b0413e",
    "failed": "#c8791e",
    "lost": "#6e1f1c",
    "refused": "#8a4f9e",
    "superseded": "#7b8188",
    "cancelled": "#b3b9c0",
    "open": "#d5dbe1",
}
UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
STEPS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 100, 200, 500, 1000, 5000)


@dataclass(frozen=True)
class Span:
    """Part of a bar: from, until, and what it stands for."""

    begins_s: float
    ends_s: float
    name: str


def bands(
    curves: Curves, seconds: float, colours: Mapping[str, str], marks: Sequence[float] = (), *, title: str
) -> str:
    """Stacked bands that add up to the whole fleet; `marks` are moments at which something struck."""
    most, below = max(1, curves.most), [0] * len(curves.at)
    drawn = []
    for name, counts in curves.counts.items():
        above = [b + c for b, c in zip(below, counts, strict=True)]
        edge = [*_steps(curves.at, above, seconds, most), *reversed(_steps(curves.at, below, seconds, most))]
        drawn.append(
            f'<polygon points="{" ".join(edge)}" fill="{colours[name]}"><title>{escape(name)}</title></polygon>'
        )
        below = above
    grid = [_text(LEFT - 8, _y(n, most) + 4, str(n), "end") for n in sorted({0, most // 2, most})]
    struck = [f'<path d="M{_x(t, seconds):.1f} {TOP}v6" class="mark"/>' for t in marks]
    height = TOP + BANDS_HEIGHT + BOTTOM
    return _svg(height, title, [*drawn, *grid, *struck, *_axis(seconds, TOP + BANDS_HEIGHT)])


def bars(rows: Sequence[tuple[str, Sequence[Span]]], seconds: float, colours: Mapping[str, str], *, title: str) -> str:
    """One row for each name: when it was what."""
    drawn = []
    for row, (name, spans) in enumerate(rows):
        y = TOP + row * ROW
        drawn.append(_text(LEFT - 8, y + ROW / 2 + 3, name, "end"))
        for span in spans:
            x, wide = _x(span.begins_s, seconds), max(1.5, _x(span.ends_s, seconds) - _x(span.begins_s, seconds))
            said = f"{name}: {span.name} from {length(span.begins_s)} to {length(span.ends_s)}"
            drawn.append(_rect(x, y + 3, wide, ROW - 8, colours.get(span.name, "#7b8188"), said))
    bottom = TOP + len(rows) * ROW
    return _svg(bottom + BOTTOM, title, [*drawn, *_axis(seconds, bottom)])


def shares(rows: Sequence[tuple[str, Mapping[str, int]]], colours: Mapping[str, str], *, title: str) -> str:
    """One row for each name: how many of each kind, on the scale of the largest row."""
    most = max((sum(counts.values()) for _, counts in rows), default=0) or 1
    drawn, room = [], WIDTH - LEFT - RIGHT - 60
    for row, (name, counts) in enumerate(rows):
        y, x = TOP + row * ROW, float(LEFT)
        drawn.append(_text(LEFT - 8, y + ROW / 2 + 3, name, "end"))
        for kind in (kind for kind in colours if counts.get(kind)):
            wide = room * counts[kind] / most
            drawn.append(_rect(x, y + 3, wide, ROW - 8, colours[kind], f"{name}: {counts[kind]} {kind}"))
            x += wide
        drawn.append(_text(x + 6, y + ROW / 2 + 3, str(sum(counts.values())), "start"))
    return _svg(TOP + len(rows) * ROW + 6, title, drawn)


def legend(names: Sequence[str], colours: Mapping[str, str]) -> str:
    """Each colour with its name."""
    parts = [f'<li><i style="background:{colours[name]}"></i>{escape(name)}</li>' for name in names]
    return f'<ul class="legend">{"".join(parts)}</ul>'


def length(seconds: float) -> str:
    """Seconds as a person says them: 45 s, 12 min, 6.5 h, 2 d."""
    for unit, size_s in UNITS[:-1]:
        if seconds >= size_s:
            return f"{seconds / size_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def _steps(at: Sequence[float], values: Sequence[int], seconds: float, most: int) -> list[str]:
    return [f"{_x(t, seconds):.1f},{_y(v, most):.1f}" for t, v in zip(at, values, strict=True)]


def _x(t: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (t / seconds if seconds else 0.0)


def _y(count: float, most: int) -> float:
    return TOP + BANDS_HEIGHT * (1 - count / most)


def _axis(seconds: float, y: float) -> list[str]:
    """Ticks at round times, some six of them."""
    unit, size_s = next(((u, s) for u, s in UNITS if seconds >= 2 * s), UNITS[-1])
    step = next((n for n in STEPS if seconds / size_s / n <= 8), STEPS[-1])
    found = [f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="axis"/>']
    n = 0
    while n * size_s <= seconds:
        x = _x(n * size_s, seconds)
        found.append(f'<path d="M{x:.1f} {y:.1f}v4" class="axis"/>')
        found.append(_text(x, y + 18, f"{n} {unit}", "middle" if n else "start"))
        n += step
    return found


def _rect(x: float, y: float, wide: float, high: float, colour: str, said: str) -> str:
    size = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high}"'
    return f'<rect {size} fill="{colour}"><title>{escape(said)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    short = text if len(text) <= 18 else f"{text[:17]}…"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(short)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title, quote=True)}"'
    return f"<svg {size}>{''.join(parts)}</svg>"
