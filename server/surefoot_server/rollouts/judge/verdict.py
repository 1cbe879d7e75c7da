"""Turn counts and readings into a verdict: pass, fail or hold, with every number it rests on.

Promises: no data is hold, never pass; one failed objective fails the phase, one held objective holds it; an objective
in `dry_run` is measured, shown and never counted. The unit is the device. Source: DESIGN §8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_server.rollouts.gate import Gate
from surefoot_server.rollouts.judge.measured import Look, MetricMeasure, measure_metric
from surefoot_server.rollouts.judge.rates import Counts, Measure, measure
from surefoot_shared.status import Outcome, Verdict

REFUSED = Outcome.REFUSED.value


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its evidence. `wait` tells a hold that more reports may end from one that only a person can."""

    verdict: Verdict
    reason: str
    counts: Counts
    needed: int
    """Reports that are needed before anything can pass."""
    measures: tuple[Measure, ...] = ()
    wait: bool = False
    metrics: tuple[MetricMeasure, ...] = ()

    @property
    def out_of_reach(self) -> bool:
        """Too few reports, and more cannot come."""
        return self.verdict is Verdict.HOLD and not self.wait and self.counts.reported < self.needed


def judge(
    gate: Gate,
    min_devices: int,
    counts: Counts,
    acknowledged: Mapping[str, int] | None = None,
    look: Look | None = None,
) -> Finding:
    """Judge a phase by its counts so far, and by its metrics where it is time to look at them."""
    seen = acknowledged or {}
    rates = tuple(measure(o, counts, seen.get(o.metric.value, 0)) for o in gate.objectives)
    metrics = _metrics(gate, counts, look, seen)
    needed = reports_needed(gate, min_devices, counts, seen.get(REFUSED, 0))
    within_reach = reachable(gate, min_devices, counts, seen.get(REFUSED, 0))
    verdict, reason, wait = _sum_up(counts, needed, within_reach, rates, metrics)
    return Finding(verdict, reason, counts, needed, rates, wait, metrics)


def _metrics(gate: Gate, counts: Counts, look: Look | None, seen: Mapping[str, int]) -> tuple[MetricMeasure, ...]:
    if look is None:
        return ()
    needed = max(1, math.ceil(gate.min_reported * counts.succeeded - 1e-9))
    return tuple(
        measure_metric(
            objective,
            look,
            min(needed, sum(1 for r in look.readings.get(objective.key, ()) if r.canary)) or 1,
            controls_exist=any(not r.canary for r in look.readings.get(objective.key, ())),
            acknowledged=bool(seen.get(objective.key)),
            drawn=look.drawn,
        )
        for objective in gate.metrics
    )


def _sum_up(
    counts: Counts,
    needed: int,
    within_reach: bool,
    rates: tuple[Measure, ...],
    metrics: tuple[MetricMeasure, ...],
) -> tuple[Verdict, str, bool]:
    """The verdict, its reason, and whether more reports may change it."""
    both: tuple[Measure | MetricMeasure, ...] = (*rates, *metrics)
    counted = [m for m in both if not m.dry_run]
    if failed := [m.reason for m in counted if m.verdict is Verdict.FAIL]:
        return Verdict.FAIL, "; ".join(failed), False
    if not within_reach:
        return Verdict.HOLD, _out_of_reach(counts, needed), False
    if counts.due == 0:
        return Verdict.HOLD, "no device has been offered it and is awake", True
    if counts.reported < needed:
        return Verdict.HOLD, f"{counts.reported} of {counts.due} due devices have reported, {needed} are needed", True
    if counts.succeeded == 0:
        return Verdict.HOLD, "no device has committed it", False
    if unsure := [m for m in counted if m.verdict is Verdict.HOLD]:
        waits = all(isinstance(m, MetricMeasure) and m.wait for m in unsure)
        return Verdict.HOLD, "; ".join(m.reason for m in unsure), waits
    did = "ran it beside their own" if counts.of(Outcome.SHADOWED) else "committed it"
    reason = f"{counts.succeeded} of {counts.due} due devices {did}, no objective is exceeded"
    within = [m.reason for m in metrics if not m.dry_run]
    return Verdict.PASS, "; ".join([reason, *within]), False


def reports_needed(gate: Gate, min_devices: int, counts: Counts, acknowledged: int = 0) -> int:
    """The share of the due devices, and of `min_devices`, so that one awake device is never the whole evidence.

    `acknowledged` refusals were seen by a person: nobody asks those devices for a report any more.
    """
    return _share(gate, min_devices, counts, counts.due - min(acknowledged, counts.of(Outcome.REFUSED)))


def reachable(gate: Gate, min_devices: int, counts: Counts, acknowledged: int = 0) -> bool:
    """Whether enough devices may yet report, if everyone did who has not refused it."""
    refused = counts.of(Outcome.REFUSED)
    rest = max(counts.members, counts.offered) - refused
    return not refused or rest >= _share(gate, min_devices, counts, rest + refused - min(acknowledged, refused))


def _share(gate: Gate, min_devices: int, counts: Counts, of: int) -> int:
    floor = min(min_devices, max(counts.members, counts.due))
    return max(1, math.ceil(gate.min_reported * max(of, floor) - 1e-9))


def _out_of_reach(counts: Counts, needed: int) -> str:
    said = f"{counts.reported} of {counts.due} due devices have reported, {needed} are needed,"
    return f"{said} and such a share cannot be reached any more: {counts.of(Outcome.REFUSED)} refused it"
