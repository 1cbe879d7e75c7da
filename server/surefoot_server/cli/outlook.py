"""A forecast in words and bars, for a terminal; pure: a value in, text out.

Promises: a chance is never without its interval; every bar stands beside its numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from surefoot_server.cli.shown import span
from surefoot_server.cli.terminal import columns, count, facts

if TYPE_CHECKING:
    from surefoot_server.rollouts.forecast.answer import Chance, Forecast, PhaseForecast

WIDTH = 48
"""Characters of the longest bar."""
OFFERING, BAKING, WAITING = "█", "░", " "


def text(found: Forecast) -> str:
    """The answer first, then the phases as bars over time."""
    return "\n".join([_answers(found), "", *_bars(found)])


def _answers(found: Forecast) -> str:
    took, seen, stopped = found.duration_s, found.exposed, found.stopped_s
    left_out = f", {count(found.excluded, 'device')} left out" if found.excluded else ""
    takes = f"{span(took.p50)}; 5 to 95 of 100 runs: {span(took.p5)} to {span(took.p95)}" if took.most else ""
    until = f"{span(stopped.p50)}; 95 of 100 runs: {span(stopped.p95)}" if stopped.most else "never"
    pairs = [
        ("Fleet", f"{count(found.devices, 'device')} in {count(len(found.phases), 'phase')}{left_out}"),
        ("Runs", f"{found.runs} with a healthy release and {found.runs} with a bad one, seed {found.seed}"),
        ("Healthy: succeeds", chance(found.succeeds)),
        ("Healthy: takes", takes),
        ("Healthy: waits for a person", chance(found.held) + (f": {found.why_held}" if found.why_held else "")),
        ("Healthy: false halt", chance(found.false_halt) + (f": {found.why_halted}" if found.why_halted else "")),
        ("Bad: runs on", f"{seen.p50:.0f} devices at once; 95 of 100 runs: {seen.p95:.0f}; at worst {seen.most:.0f}"),
        ("Bad: stopped after", until),
        ("Bad: missed", chance(found.missed)),
    ]
    return facts(pairs)


def chance(found: Chance) -> str:
    """`0.4 % of runs (95 % sure: 0.1 to 1.0 %)`."""
    return f"{found.share:.1%} of runs (95 % sure: {found.at_least:.1%} to {found.at_most:.1%})"


def _bars(found: Forecast) -> list[str]:
    ends_s = max((p.ended_s or p.baking_s or p.began_s or 0.0 for p in found.phases), default=0.0)
    rows = [
        (p.name, p.members, span(p.ended_s) if p.ended_s is not None else "not reached", p.stopped, bar(p, ends_s))
        for p in found.phases
    ]
    head = ("PHASE", "DEVICES", "ENDS AFTER", "STOPS A BAD ONE", f"{OFFERING} offering {BAKING} baking")
    return columns(head, rows).splitlines()


def bar(phase: PhaseForecast, ends_s: float) -> str:
    """When the phase offers and when it bakes, on the scale of the whole rollout; "" where it was never reached."""
    if phase.began_s is None or ends_s <= 0:
        return ""

    def at(moment_s: float | None, default: int) -> int:
        return default if moment_s is None else round(moment_s / ends_s * WIDTH)

    began = min(at(phase.began_s, 0), WIDTH - 1)
    baking = max(at(phase.baking_s, WIDTH), began + 1)
    ended = max(at(phase.ended_s, baking), baking)
    return WAITING * began + OFFERING * (baking - began) + BAKING * (ended - baking)
