"""A release beside the live one: what is looked at, when it ends, and what the two are found to differ in. Pure.

Promises: the live release comes first: it is measured before the shadow starts, and the shadow ends as soon as the live
one has too few frames for several looks in a row, or the node too little memory; without the live release's frames
nothing is started at all. What was not counted is not called agreement. Refuses to judge: that is the gate's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum

from surefoot_agent.scrape import Series, values
from surefoot_shared.messages import ShadowTerms

BEFORE_LOOKS = 5
"""Looks at the live release before the shadow starts: what it is held to."""
BLIND_LOOKS = 15
"""A live release that says nothing for so many looks cannot be watched."""
HARM_LOOKS = 3
"""In a row: a scrape that failed, or one bad second, is no harm yet."""
COUNTED = 10.0
"""Objects that one of the two must have counted before their agreement is told on the way."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one application says of itself."""

    fps: float | None = None
    latency_s: float | None = None
    processed: float = 0.0
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at both; None where an application does not answer. `memory_ratio` is available on the node.

    `room`: the data partition has what the live release needs of it.
    """

    now_s: float
    live: Figures | None
    shadow: Figures | None = None
    alive: bool = True
    memory_ratio: float = 1.0
    room: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    """The live release is known well enough: the shadow may start."""


@dataclass(frozen=True, slots=True)
class GoOn:
    why: str


@dataclass(frozen=True, slots=True)
class Over:
    """`reason` is a kind of errors.KINDS; None: it ran for its time."""

    message: str
    reason: str | None = None


Step = Start | GoOn | Over


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was seen so far. `before` are frames a second of the live release alone."""

    terms: ShadowTerms
    startup_s: float
    before: tuple[float, ...] = ()
    blind: int = 0
    low: int = 0
    began_s: float | None = None
    ready_s: float | None = None
    at_first: tuple[Mapping[str, float], Mapping[str, float]] = ({}, {})
    fps: tuple[float, int] = (0.0, 0)
    """Sum and number of looks at the live release's frames a second since the shadow was ready."""
    latencies: tuple[float, float, int] = (0.0, 0.0, 0)
    live: Figures = Figures()
    shadow: Figures = Figures()


def figures_of(series: Sequence[Series]) -> Figures:
    """Read a page of metrics; several streams count together."""
    fps, latency = values(series, "camera_fps"), values(series, "inference_p95_s")
    counts = {str(sorted(s.labels.items())): s.value for s in series if s.name == "counts_total"}
    processed = sum(values(series, "camera_frames_processed_total"))
    return Figures(sum(fps) if fps else None, max(latency) if latency else None, processed, counts)


def looked(known: Comparison, look: Look) -> tuple[Comparison, Step]:
    """Take one look into account, and say what follows."""
    if known.began_s is None:
        return _before(known, look)
    known = replace(known, low=known.low + 1 if _suffers(known, look) else 0)
    harm = _harm(known, look)
    if harm:
        return known, Over(harm, "shadow_harmed")
    if not look.alive:
        return known, Over("The shadow ended by itself.", "shadow_died")
    if known.ready_s is None:
        return _starting(known, look)
    known = _taken(known, look)
    left_s = known.terms.for_s - (look.now_s - (known.ready_s or look.now_s))
    if left_s <= 0:
        return known, Over(_words(known))
    return known, GoOn(_runs(known.terms))  # the same at each look: it is told when it changes, and written to flash


def differences(known: Comparison, over: bool = False) -> Mapping[str, float]:
    """What is told as metrics, as far as it is known."""
    found: dict[str, float] = {}
    if known.fps[1] and known.before:
        found["shadow_fps_cost_ratio"] = max(0.0, 1.0 - known.fps[0] / known.fps[1] / _mean(known.before))
    live_s, shadow_s, looks = known.latencies
    if looks and live_s > 0:
        found["shadow_latency_ratio"] = shadow_s / live_s
    same, all_s = _agreed(known)
    if all_s >= (1.0 if over else COUNTED):
        found["shadow_agreement_ratio"] = same / all_s
    return found


def _before(known: Comparison, look: Look) -> tuple[Comparison, Step]:
    if look.live is None or not look.live.fps:
        known = replace(known, blind=known.blind + 1)
        if known.blind >= BLIND_LOOKS:
            return known, Over(
                "The live release tells no frames a second, so nobody would see it suffer.", "shadow_unmeasured"
            )
        return known, GoOn("looks at the live release first")
    known = replace(known, before=(*known.before, look.live.fps))
    if short := _short(known, look):
        return known, Over(short, "shadow_harmed")
    if len(known.before) < BEFORE_LOOKS:
        return known, GoOn("looks at the live release first")
    return replace(known, began_s=look.now_s), Start()


def _starting(known: Comparison, look: Look) -> tuple[Comparison, Step]:
    if look.shadow is not None and look.live is not None and look.shadow.processed > 0:
        at_first = (look.live.counts, look.shadow.counts)
        return replace(known, ready_s=look.now_s, at_first=at_first), GoOn(_runs(known.terms))
    if look.now_s - (known.began_s or 0.0) >= known.startup_s:
        return known, Over(f"The shadow processed no frame within {known.startup_s:g} s.", "shadow_died")
    return known, GoOn("starts beside the live release")


def _taken(known: Comparison, look: Look) -> Comparison:
    if look.live is None or look.shadow is None:
        return known
    if look.live.fps is not None:
        known = replace(known, fps=(known.fps[0] + look.live.fps, known.fps[1] + 1))
    if look.live.latency_s is not None and look.shadow.latency_s is not None:
        live_s, shadow_s, looks = known.latencies
        known = replace(known, latencies=(live_s + look.live.latency_s, shadow_s + look.shadow.latency_s, looks + 1))
    return replace(known, live=look.live, shadow=look.shadow)


def _suffers(known: Comparison, look: Look) -> bool:
    fps = look.live.fps if look.live is not None else None
    return (fps or 0.0) < known.terms.min_fps_ratio * _mean(known.before)


def _harm(known: Comparison, look: Look) -> str:
    if short := _short(known, look):
        return short
    if known.low >= HARM_LOOKS:
        fps = look.live.fps if look.live is not None else None
        return f"The live release had {_mean(known.before):.1f} frames a second alone and has {fps or 0.0:.1f} now."
    return ""


def _runs(terms: ShadowTerms) -> str:
    return f"runs beside the live release for {terms.for_s} s"


def _short(known: Comparison, look: Look) -> str:
    if look.memory_ratio < known.terms.min_memory_ratio:
        return f"Only {look.memory_ratio:.0%} of the node's memory is available."
    return "" if look.room else "The data partition has less than half of its reserve free."


def _agreed(known: Comparison) -> tuple[float, float]:
    """Objects that both counted, and that either did, since the shadow was ready."""
    names = known.live.counts.keys() | known.shadow.counts.keys()
    live, shadow = (
        [max(0.0, now.get(name, 0.0) - first.get(name, 0.0)) for name in sorted(names)]
        for now, first in zip((known.live.counts, known.shadow.counts), known.at_first, strict=True)
    )
    return sum(map(min, live, shadow)), sum(map(max, live, shadow))


def _words(known: Comparison) -> str:
    found = differences(known, over=True)
    said = ", ".join(
        f"{name.removeprefix('shadow_').removesuffix('_ratio')} {found[name]:.3f}" for name in sorted(found)
    )
    return f"It ran beside the live release: {said or 'nothing could be compared'}."


def _mean(values: Sequence[float]) -> float:
    """As `statistics.fmean`, whose module brings fractions and decimals into every agent."""
    return fsum(values) / len(values)
