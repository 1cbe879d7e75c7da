"""Turn counts into a verdict: pass, fail or hold, with every number it rests on.

Promises: no data is hold, never pass; a rate fails only when the lower Clopper-Pearson bound (exact, one-sided) exceeds
the limit, or at a tripwire while the phase is small; a rate above its limit that is not surely above is hold. The unit
is the device. Refuses to prove that a rate is below a limit: 2% at 90% would take 114 devices without a failure.
Sources: Clopper and Pearson, Biometrika 26 (1934); DESIGN §8.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot_server.rollouts.policy import Gate, Objective
from surefoot_shared.status import Outcome, Verdict

TRIPWIRE_UP_TO = 50
"""DESIGN §8: beyond that many devices a plain count says little, and the bound has power enough."""
EVIDENCE = (Outcome.COMMITTED, Outcome.REVERTED, Outcome.FAILED, Outcome.LOST)
"""Outcomes that say something about the release. A refusal does not: it never ran."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices of one phase: planned members, offered, due (offered and awake), and how those that ended did."""

    members: int
    offered: int
    due: int
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)

    def of(self, outcome: Outcome) -> int:
        return self.outcomes.get(outcome, 0)

    @property
    def reported(self) -> int:
        return sum(self.of(o) for o in EVIDENCE)


@dataclass(frozen=True, slots=True)
class Measure:
    """One objective, measured: `count` new ones (without `acknowledged`) of `due` devices."""

    metric: str
    verdict: Verdict
    reason: str
    count: int
    acknowledged: int
    due: int
    rate: float
    surely_above: float
    """The lower bound of the true rate at this confidence."""
    limit: float
    confidence: float
    tripwire: int | None
    trips_at: int | None
    """The count that fails a phase of this size."""


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


def judge(gate: Gate, min_devices: int, counts: Counts, acknowledged: Mapping[str, int] | None = None) -> Finding:
    """Judge a phase by its counts so far."""
    seen = acknowledged or {}
    measures = tuple(measure(o, counts, seen.get(o.metric.value, 0)) for o in gate.objectives)
    needed = reports_needed(gate, min_devices, counts)
    failed = [m.reason for m in measures if m.verdict is Verdict.FAIL]
    if failed:
        return Finding(Verdict.FAIL, "; ".join(failed), counts, needed, measures)
    if counts.due == 0:
        return Finding(Verdict.HOLD, "no device has been offered it and is awake", counts, needed, measures, wait=True)
    if counts.reported < needed:
        reason = f"{counts.reported} of {counts.due} due devices have reported, {needed} are needed"
        return Finding(Verdict.HOLD, reason, counts, needed, measures, wait=True)
    if counts.of(Outcome.COMMITTED) == 0:
        return Finding(Verdict.HOLD, "no device has committed it", counts, needed, measures)
    unsure = [m.reason for m in measures if m.verdict is Verdict.HOLD]
    if unsure:
        return Finding(Verdict.HOLD, "; ".join(unsure), counts, needed, measures)
    reason = f"{counts.of(Outcome.COMMITTED)} of {counts.due} due devices committed it, no objective is exceeded"
    return Finding(Verdict.PASS, reason, counts, needed, measures)


def reports_needed(gate: Gate, min_devices: int, counts: Counts) -> int:
    """The share of the due devices, and of `min_devices`, so that one awake device is never the whole evidence."""
    floor = min(min_devices, max(counts.members, counts.due))
    return max(1, math.ceil(gate.min_reported * max(counts.due, floor) - 1e-9))


def measure(objective: Objective, counts: Counts, acknowledged: int = 0) -> Measure:
    """Measure one objective; acknowledged devices are in neither the count nor the denominator."""
    total = counts.of(Outcome(objective.metric.value))
    count = max(0, total - acknowledged)
    due = max(counts.due - (total - count), count)
    bound = surely_above(count, due, objective.confidence)
    rate = count / due if due else 0.0
    verdict, reason = _decide(objective, count, due, rate, bound)
    return Measure(
        metric=objective.metric.value,
        verdict=verdict,
        reason=reason,
        count=count,
        acknowledged=total - count,
        due=due,
        rate=rate,
        surely_above=bound,
        limit=objective.fail_if_surely_above,
        confidence=objective.confidence,
        tripwire=objective.tripwire,
        trips_at=trip_count(due, objective),
    )


def _decide(objective: Objective, count: int, due: int, rate: float, bound: float) -> tuple[Verdict, str]:
    said = f"{count} of {due} devices {_did(objective.metric.value)}"
    if tripped(objective, count, due):
        return Verdict.FAIL, f"{said}, the tripwire is {objective.tripwire}"
    if count and bound > objective.fail_if_surely_above:
        return Verdict.FAIL, (
            f"{said} ({rate:.1%}), surely more than {bound:.1%} at {objective.confidence:.0%} confidence, "
            f"the limit is {objective.fail_if_surely_above:.1%}"
        )
    if rate > objective.fail_if_surely_above:
        return Verdict.HOLD, f"{said} ({rate:.1%}), above {objective.fail_if_surely_above:.1%} but not surely"
    return Verdict.PASS, said


def _did(metric: str) -> str:
    return {"lost": "were lost", "refused": "refused it"}.get(metric, metric)


def tripped(objective: Objective, count: int, due: int) -> bool:
    return objective.tripwire is not None and due <= TRIPWIRE_UP_TO and count >= objective.tripwire


def trip_count(n: int, objective: Objective) -> int | None:
    """Return the smallest count that fails a phase of n devices, None where none does."""
    low, high = 1, n + 1
    while low < high:  # the bound rises with the count, so the smallest one that exceeds is found by halving
        middle = (low + high) // 2
        if surely_above(middle, n, objective.confidence) > objective.fail_if_surely_above:
            high = middle
        else:
            low = middle + 1
    by_bound = low if low <= n else None
    by_count = (
        objective.tripwire if objective.tripwire is not None and objective.tripwire <= n <= TRIPWIRE_UP_TO else None
    )
    return min(filter(None, (by_bound, by_count)), default=None)


@functools.lru_cache(maxsize=4096)
def surely_above(count: int, n: int, confidence: float) -> float:
    """The lower one-sided Clopper-Pearson bound of a rate; 0 without any count."""
    if count <= 0 or n <= 0:
        return 0.0
    if count >= n:
        return float((1 - confidence) ** (1 / n))
    from scipy.special import betaincinv  # a third of a second to import: only once something went wrong

    return float(betaincinv(count, n - count + 1, 1 - confidence))
