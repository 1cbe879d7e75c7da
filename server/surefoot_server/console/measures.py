"""A measured value as a person reads it: with the unit that suits its size, in the reader's language. Pure."""

from __future__ import annotations

from surefoot_server.languages.catalogue import Language
from surefoot_shared.metrics import METRICS

SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def unit_of(name: str) -> str:
    """The unit of a metric; an application's own has none, unless its name ends in one as Prometheus has it."""
    if name in METRICS:
        return METRICS[name].unit
    return next((unit for end, unit in (("_bytes", "B"), ("_s", "s"), ("_seconds", "s")) if name.endswith(end)), "1")


def measured(say: Language, value: float, name: str) -> str:
    """`295.6 MiB`, `41%`, `14.9 1/s`."""
    unit = unit_of(name)
    if unit.startswith("B"):
        return size(say, value, unit[1:])
    if name.endswith("_ratio"):
        return f"{say.number(100 * value, 0 if abs(value) >= 0.1 else 1)}%"
    text = say.number(value, _digits(value))
    return text if unit == "1" else f"{text} {unit}"


def size(say: Language, value: float, per: str = "") -> str:
    """Bytes in the largest unit of which there is one."""
    place, scaled = 0, float(value)
    while abs(scaled) >= 1024 and place < len(SIZES) - 1:
        place, scaled = place + 1, scaled / 1024
    return f"{say.number(scaled, 0 if place == 0 or abs(scaled) >= 100 else 1)} {SIZES[place]}{per}"


def _digits(value: float) -> int:
    """Three figures, and no more after the point than they need."""
    if float(value).is_integer() or abs(value) >= 1000:
        return 0
    return 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
