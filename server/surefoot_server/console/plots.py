"""Pictures of a verdict's stored numbers as shapes in a box: distributions with their bounds, and rates with theirs.

Promises: only what was stored is drawn, at its place on one scale for all of a picture; pure, and nothing is computed
that the judge did not decide on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600.0, 34.0
"""Of one row, in the picture's own units."""
PAD = 0.08
"""Room on both sides, as a share of what is shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One group's distribution: the whole range, its middle half and its median, as places; None where it is empty."""

    name: str
    devices: int
    low: float
    high: float
    quarter: float
    three: float
    median: float
    curve: str


@dataclass(frozen=True, slots=True)
class Picture:
    """`allowed` is the stretch within the bounds; `ticks` are (place, text)."""

    rows: tuple[Row, ...]
    allowed: tuple[float, float]
    bounds: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    surely: tuple[float, float] | None
    estimate: float | None


def of_metric(metric: Mapping[str, Any]) -> Picture | None:
    """Canary above control on the objective's scale; None where nothing was measured."""
    groups = [(name, metric[name]) for name in ("canary", "control") if metric.get(name, {}).get("quantiles")]
    if not groups:
        return None
    bounds = [metric[name] for name in ("low", "high") if metric.get(name) is not None]
    scale = _scale([q for _, group in groups for q in group["quantiles"]], bounds)
    low = scale(metric["low"]) if metric.get("low") is not None else 0.0
    high = scale(metric["high"]) if metric.get("high") is not None else WIDTH
    surely = None
    if metric.get("at_least") is not None and metric.get("at_most") is not None:
        surely = (_clamped(scale(metric["at_least"])), _clamped(scale(metric["at_most"])))
    return Picture(
        rows=tuple(_row(name, group, scale) for name, group in groups),
        allowed=(_clamped(low), _clamped(high)),
        bounds=tuple(_clamped(scale(b)) for b in bounds),
        ticks=scale.ticks(),
        surely=surely,
        estimate=_clamped(scale(metric["estimate"])) if metric.get("estimate") is not None else None,
    )


def of_rate(measure: Mapping[str, Any]) -> dict[str, float]:
    """Places of a rate, the interval it surely lies in and its limit, on a scale that holds all of them."""
    limit = measure.get("limit") or measure.get("must_be_below") or 0.0
    top = max(limit * 2, measure["rate"] * 1.25, min(1.0, measure["proved_below"]) if measure["count"] else 0.0, 0.02)
    places = {
        "rate": measure["rate"],
        "least": measure["surely_above"],
        "most": min(measure["proved_below"], top),
        "limit": limit,
    }
    return {name: round(WIDTH * min(1.0, value / top), 1) for name, value in places.items()} | {"top": top}


@dataclass(frozen=True, slots=True)
class _Scale:
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return WIDTH * (value - self.start) / (self.end - self.start)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        step = _step(self.end - self.start)
        first = math.ceil(self.start / step)
        values = [step * (first + i) for i in range(int((self.end - self.start) / step) + 1)]
        return tuple((round(self(v), 1), f"{v:.6g}") for v in values if self.start <= v <= self.end)


def _scale(values: Sequence[float], bounds: Sequence[float]) -> _Scale:
    """Everything that matters is in the box: the middle nine tenths of the figures, and each bound."""
    ordered = sorted(values)
    cut = len(ordered) // 20
    kept = [*ordered[cut : len(ordered) - cut], *bounds]
    low, high = min(kept), max(kept)
    room = (high - low) * PAD or abs(high) * PAD or 1.0
    return _Scale(low - room, high + room)


def _step(length: float) -> float:
    """A round distance between ticks: four to eight of them."""
    power = 10.0 ** math.floor(math.log10(length / 4))
    return next(power * m for m in (1.0, 2.0, 5.0, 10.0) if length / (power * m) <= 8)


def _row(name: str, group: Mapping[str, Any], scale: _Scale) -> Row:
    quantiles = [round(_clamped(scale(q)), 1) for q in group["quantiles"]]
    last = len(quantiles) - 1
    return Row(
        name=name,
        devices=group["devices"],
        low=quantiles[0],
        high=quantiles[last],
        quarter=quantiles[last // 4],
        three=quantiles[last - last // 4],
        median=quantiles[last // 2],
        curve=_curve(quantiles),
    )


def _curve(quantiles: Sequence[float]) -> str:
    """The cumulative share of devices, from none at the least to all at the greatest."""
    last = max(1, len(quantiles) - 1)
    return " ".join(f"{x:g},{round(HEIGHT - HEIGHT * i / last, 1):g}" for i, x in enumerate(quantiles))


def _clamped(place: float) -> float:
    return round(min(WIDTH, max(0.0, place)), 1)
