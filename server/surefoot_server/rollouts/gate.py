"""The gate of a policy: what a phase must prove, as frozen values, read from the `gate` part of the document.

Promises: an objective is about outcomes (counted by device) or about a metric (measured by device), never about both;
each says by which bound it can fail, and one without any bound is only shown. Refuses bounds that no verdict would
use. Source: DESIGN §8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from surefoot_server.rollouts.document import Field

HOUR_S = 3600.0
METRIC = re.compile(r"[a-z][a-z0-9_]{0,79}")
"""A name of the registry, or one that an application gave: those are kept under their own names."""


class OnInconclusive(str, Enum):
    """There is no `pass`: what could not be decided is never taken for good."""

    HOLD = "hold"
    FAIL = "fail"


class ObjectiveMetric(str, Enum):
    """The outcomes that an objective can bound."""

    FAILED = "failed"
    REVERTED = "reverted"
    LOST = "lost"
    REFUSED = "refused"


class Against(str, Enum):
    """What a device's metric is compared with."""

    CONTROL = "control"
    """Devices of the same cohort, hardware and site that were not offered it yet, over the same hours."""
    BASELINE = "baseline"
    """The same device before."""
    LIMIT = "limit"
    """A figure of the policy."""


class Scale(str, Enum):
    """How before and after, or canary and control, are set against each other."""

    RATIO = "ratio"
    DIFFERENCE = "difference"
    VALUE = "value"


class Baseline(str, Enum):
    BEFORE = "before"
    """The hours straight before the first offer of the phase."""
    SAME_HOURS = "same_hours"
    """The same hours of the day before: a scene at night is compared with a night."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Fail when the rate is above the limit with this confidence, or at `tripwire` devices of a small phase.

    `pass_if_proved_below`: pass only once the rate is below this with the same confidence; else it is held.
    """

    metric: ObjectiveMetric
    fail_if_surely_above: float | None
    confidence: float = 0.9
    tripwire: int | None = None
    pass_if_proved_below: float | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class MetricObjective:
    """A metric of the devices that committed, within [low, high] on the scale.

    `critical`: surely outside fails the phase at once; otherwise it is held for a person. `dry_run`: only shown.
    """

    metric: str
    against: Against
    scale: Scale
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    critical: bool = False
    dry_run: bool = False
    baseline: Baseline = Baseline.BEFORE

    @property
    def key(self) -> str:
        return f"{self.metric} against {self.against.value}"


@dataclass(frozen=True, slots=True)
class Gate:
    """`looks`: how often a bake's metrics are judged, at even distances; the last look is at its end."""

    min_reported: float = 0.9
    max_wait_s: float = 48 * HOUR_S
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    objectives: tuple[Objective, ...] = (
        Objective(ObjectiveMetric.FAILED, 0.02),
        Objective(ObjectiveMetric.REVERTED, 0.01, tripwire=2),
        Objective(ObjectiveMetric.LOST, 0.01, tripwire=1),
    )
    metrics: tuple[MetricObjective, ...] = ()
    looks: int = 4


def parse(field: Field) -> Gate:
    """Read the `gate` part of a policy; raises Invalid naming line and field."""
    default = Gate()
    fields = field.mapping("min_reported", "max_wait", "on_inconclusive", "looks", "objectives")
    rates, metrics = default.objectives, default.metrics
    if not fields["objectives"].absent:
        rates, metrics = _objectives(fields["objectives"])
    return Gate(
        min_reported=fields["min_reported"].ratio(default.min_reported, low=0.01),
        max_wait_s=fields["max_wait"].duration_s(default.max_wait_s, low=1.0),
        on_inconclusive=fields["on_inconclusive"].choice(OnInconclusive, default.on_inconclusive),
        objectives=rates or default.objectives,  # whoever only adds metrics does not mean to let devices be lost
        metrics=metrics,
        looks=fields["looks"].integer(default.looks, low=1, high=12),
    )


def _objectives(field: Field) -> tuple[tuple[Objective, ...], tuple[MetricObjective, ...]]:
    rates: list[Objective] = []
    metrics: list[MetricObjective] = []
    seen: set[str] = set()
    for item in field.items():
        made = _objective(item) if _about_outcomes(item) else _metric(item)
        key = made.key if isinstance(made, MetricObjective) else made.metric.value
        if key in seen:
            raise field.wrong("each metric may have one objective")
        seen.add(key)
        if isinstance(made, MetricObjective):
            metrics.append(made)
        else:
            rates.append(made)
    if not seen or (rates and all(o.dry_run for o in rates) and all(o.dry_run for o in metrics)):
        raise field.wrong("a gate without objectives would pass anything")
    return tuple(rates), tuple(metrics)


def _about_outcomes(item: Field) -> bool:
    """Told by the metric's name, or by a key that only outcomes have: a mistyped outcome is no metric."""
    name, keys = item.peek("metric"), ("fail_if_surely_above", "pass_if_proved_below", "tripwire")
    return name is None or name in {m.value for m in ObjectiveMetric} or any(item.peek(k) is not None for k in keys)


def _objective(item: Field) -> Objective:
    fields = item.mapping("metric", "fail_if_surely_above", "pass_if_proved_below", "confidence", "tripwire", "dry_run")
    tripwire, above, below = fields["tripwire"], fields["fail_if_surely_above"], fields["pass_if_proved_below"]
    metric = fields["metric"].required().choice(ObjectiveMetric, ObjectiveMetric.FAILED)
    if below.absent:
        above = above.required()
    return Objective(
        metric=metric,
        fail_if_surely_above=None if above.absent else above.ratio(0.0, high=0.99),
        confidence=fields["confidence"].ratio(0.9, low=0.5, high=0.999),
        tripwire=None if tripwire.absent else tripwire.integer(1, low=1, high=50),
        pass_if_proved_below=None if below.absent else below.ratio(0.0, low=0.0001, high=1.0),
        dry_run=fields["dry_run"].boolean(False),
    )


BOUNDS = {
    Scale.RATIO: ("min_ratio", "max_ratio"),
    Scale.DIFFERENCE: ("max_decrease", "max_increase"),
    Scale.VALUE: ("min", "max"),
}
"""The pair of keys for each scale; a decrease is given without its sign."""


def _metric(item: Field) -> MetricObjective:
    bounds = [key for pair in BOUNDS.values() for key in pair]
    fields = item.mapping("metric", "against", *bounds, "confidence", "critical", "dry_run", "baseline")
    against = fields["against"].choice(Against, Against.LIMIT)
    dry_run = fields["dry_run"].boolean(False)
    scale = _scale(item, fields, against, dry_run)
    low, high = _bounds(fields, scale)
    if low is not None and high is not None and low > high:
        raise item.wrong("its lower bound is above its upper one")
    return MetricObjective(
        metric=_name(fields["metric"]),
        against=against,
        scale=scale,
        low=low,
        high=high,
        confidence=fields["confidence"].ratio(0.95, low=0.5, high=0.999),
        critical=fields["critical"].boolean(False),
        dry_run=dry_run,
        baseline=fields["baseline"].choice(Baseline, Baseline.BEFORE),
    )


def _name(field: Field) -> str:
    name = field.text_or_none() or ""
    if not METRIC.fullmatch(name):
        outcomes = ", ".join(m.value for m in ObjectiveMetric)
        raise field.wrong(f"{name!r} is not one of {outcomes}, and no name of a metric")
    return name


def _scale(item: Field, fields: dict[str, Field], against: Against, dry_run: bool) -> Scale:
    given = {scale for scale, keys in BOUNDS.items() if any(not fields[k].absent for k in keys)}
    possible = {Scale.VALUE} if against is Against.LIMIT else {Scale.RATIO, Scale.DIFFERENCE}
    words = ", ".join(key for scale in BOUNDS for key in BOUNDS[scale] if scale in possible)
    if given - possible or len(given) > 1:
        raise item.wrong(f"against {against.value} it takes bounds of one kind, of {words}")
    if not given and not dry_run:
        raise item.wrong(f"it needs a bound ({words}), or dry_run: true to be shown only")
    return next(iter(given), Scale.VALUE if against is Against.LIMIT else Scale.RATIO)


def _bounds(fields: dict[str, Field], scale: Scale) -> tuple[float | None, float | None]:
    low, high = (None if fields[k].absent else fields[k].amount() for k in BOUNDS[scale])
    if scale is Scale.DIFFERENCE and low is not None:
        low = -low
    if scale is Scale.RATIO:
        for key, bound in zip(BOUNDS[scale], (low, high), strict=True):
            if bound is not None and bound <= 0:
                raise fields[key].wrong("a ratio is above 0")
    return low, high
