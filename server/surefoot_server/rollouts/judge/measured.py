"""A metric of the canary's devices against its control, its own past or a figure: fail, hold or pass, with the numbers.

Promises: one figure a device; a device that gave nothing before or after is left out and counted; too few figures are
hold. Surely outside the bounds fails where the objective is critical and is held where not; outside but not surely is
held; and where so few devices could never be sure of anything, the reason says so. Between two looks only a failure
counts. Where nobody is left to compare with, a device's own past stands in, and the worst it can say is hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from surefoot_server.rollouts.gate import Against, MetricObjective, Scale
from surefoot_server.rollouts.judge import ranks
from surefoot_server.rollouts.judge.schedule import alpha_at
from surefoot_shared.status import Verdict

DRAWN = 21
"""Quantiles that are kept of each group, from the least to the greatest: enough for a picture of any size."""
SMALLEST_STRATUM = 2
"""Controls of the same hardware and site that are wanted; with fewer, those of the same hardware stand in."""
EXTREME = 1e6
"""A ratio beyond this is as good as infinite, and infinity would spoil every median."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of one device, before and after; None where it sent nothing."""

    device: str
    hw: str
    site: str
    canary: bool
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a bake's metrics: `number` of `of`, and the readings of each objective by its key."""

    number: int
    of: int
    readings: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    drawn: bool = True
    """False leaves out interval and quantiles, which no verdict needs: many looks are much faster."""

    @property
    def last(self) -> bool:
        return self.number >= self.of


@dataclass(frozen=True, slots=True)
class Group:
    """`quantiles` of what is compared (the change, or the value), evenly spaced from the least to the greatest."""

    devices: int
    before: float | None
    """Median."""
    after: float | None
    median: float | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MetricMeasure:
    """One objective at one look. Differences and bounds are on the objective's scale: ratios, or the metric's unit."""

    key: str
    metric: str
    verdict: Verdict
    reason: str
    against: str
    """What it really was compared with; `baseline` where no control was left."""
    scale: str
    low: float | None
    high: float | None
    confidence: float
    critical: bool
    dry_run: bool
    look: int
    looks: int
    alpha: float
    """The chance at which this look may call a healthy release bad."""
    canary: Group
    control: Group
    strata: int
    missing: int
    """Devices of the canary without figures."""
    p: float | None = None
    smallest_p: float | None = None
    """What the clearest possible figures of so many devices would give."""
    estimate: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    effect: float | None = None
    """The chance that a device of the canary lies above one of its control (0.5: no difference)."""
    wait: bool = False
    acknowledged: bool = False


def measure_metric(
    objective: MetricObjective,
    look: Look,
    needed: int,
    *,
    controls_exist: bool,
    acknowledged: bool = False,
    drawn: bool = True,
) -> MetricMeasure:
    """Judge one metric. `needed`: how many of the canary's devices must have figures.

    `drawn=False` leaves out interval and quantiles, which no verdict needs: a simulation of thousands is much faster.
    """
    readings = look.readings.get(objective.key, ())
    against = objective.against
    if against is Against.CONTROL and not controls_exist:
        against = Against.BASELINE
    return _Measurement(objective, against, look, readings, drawn).measure(needed, acknowledged)


@dataclass(frozen=True, slots=True)
class _Measurement:
    objective: MetricObjective
    against: Against
    look: Look
    readings: Sequence[Reading]
    drawn: bool

    def measure(self, needed: int, acknowledged: bool) -> MetricMeasure:
        canary = [(r, v) for r in self.readings if r.canary and (v := self._figure(r)) is not None]
        control = [(r, v) for r in self.readings if not r.canary and (v := self._figure(r)) is not None]
        strata = matched(canary, control) if self.against is Against.CONTROL else {}
        compared = sum(len(a) for a, _ in strata.values()) if strata else len(canary)
        if len(canary) < max(1, needed) or (self.against is Against.CONTROL and not strata):
            what = f"{len(canary)} devices sent {self.objective.metric}, {max(1, needed)} are needed"
            if len(canary) >= max(1, needed):
                what = f"no control of the same hardware sent {self.objective.metric}"
            return self._made(Verdict.HOLD, what, canary, control, len(strata), {}, wait=True, seen=acknowledged)
        return self._judged(canary, control, strata, compared, acknowledged)

    def _judged(
        self, canary: _Figures, control: _Figures, strata: ranks.Strata, compared: int, acknowledged: bool
    ) -> MetricMeasure:
        o, values = self.objective, [v for _, v in canary]
        ranked = ranks.control_ranked(strata) if strata else ranks.paired_ranked(values)
        alpha = alpha_at(self.look.number, self.look.of, 1 - o.confidence)
        sides = [(b, below) for b, below in ((o.low, True), (o.high, False)) if b is not None]
        ps = {below: self._p(strata, values, _inner(b, o.scale), below) for b, below in sides}
        p = min(ps.values(), default=None)
        numbers = {
            "p": p,
            "smallest_p": ranked.smallest_p,
            "estimate": _outer(ranked.estimate, o.scale),
            "effect": ranked.effect,
            "at_least": self._bound(strata, values, lower=True),
            "at_most": self._bound(strata, values, lower=False),
        }
        outside = any(
            ranked.estimate < _inner(b, o.scale) if below else ranked.estimate > _inner(b, o.scale)
            for b, below in sides
        )
        surely = p is not None and p <= alpha
        verdict, reason = self._decide(ranked, p, outside, surely, compared, acknowledged)
        return self._made(verdict, reason, canary, control, len(strata), numbers, seen=acknowledged)

    def _decide(
        self, ranked: ranks.Ranked, p: float | None, outside: bool, surely: bool, compared: int, acknowledged: bool
    ) -> tuple[Verdict, str]:
        o = self.objective
        said = f"{o.metric} {self._said(_outer(ranked.estimate, o.scale))} on {compared} devices"
        limit = f"allowed is {self._allowed()}"
        stand_in = o.against is Against.CONTROL and self.against is Against.BASELINE
        if stand_in:
            said += " (against their own past: nobody is left who was not offered it)"
        if surely:
            told = f"{said}, surely outside at look {self.look.number} of {self.look.of} (p = {p:.2g}), {limit}"
            if o.critical and not stand_in:
                return Verdict.FAIL, told
            return (Verdict.PASS if acknowledged else Verdict.HOLD), told
        if outside:
            return (Verdict.PASS if acknowledged else Verdict.HOLD), f"{said}, {limit}, but not surely"
        if (o.low, o.high) != (None, None) and ranked.smallest_p > 1 - o.confidence:
            said += f" (so few could not be sure of a difference: p is {ranked.smallest_p:.2g} at best)"
        return Verdict.PASS, said

    def _said(self, estimate: float) -> str:
        than = {Against.CONTROL: "that of the control", Against.BASELINE: "that of before", Against.LIMIT: ""}
        if self.objective.scale is Scale.RATIO:
            return f"is {estimate:.3g} times {than[self.against]}"
        if self.objective.scale is Scale.DIFFERENCE:
            return f"is {estimate:+.3g} from {than[self.against]}"
        return f"is {estimate:.4g}"

    def _allowed(self) -> str:
        o = self.objective
        if o.low is not None and o.high is not None:
            return f"at least {o.low:g} and at most {o.high:g}"
        return f"at least {o.low:g}" if o.low is not None else f"at most {o.high:g}" if o.high is not None else ""

    def _p(self, strata: ranks.Strata, values: Sequence[float], limit: float, below: bool) -> float:
        if strata:
            return ranks.control_p(strata, limit, below=below)
        return ranks.paired_p(values, limit, below=below)

    def _bound(self, strata: ranks.Strata, values: Sequence[float], *, lower: bool) -> float | None:
        if not self.drawn:
            return None
        alpha = 1 - self.objective.confidence
        found = (
            ranks.control_bound(strata, alpha, lower=lower)
            if strata
            else ranks.paired_bound(values, alpha, lower=lower)
        )
        return None if found is None else _outer(found, self.objective.scale)

    def _figure(self, reading: Reading) -> float | None:
        """What is ranked for a device: log ratio, difference or value; None where a part is missing or useless."""
        if reading.after is None or not math.isfinite(reading.after):
            return None
        if self.objective.scale is Scale.VALUE:
            return reading.after
        if reading.before is None or not math.isfinite(reading.before):
            return None
        if self.objective.scale is Scale.DIFFERENCE:
            return reading.after - reading.before
        if reading.before <= 0:  # dead before: no news of the release can be read from it
            return None
        return math.log(min(max(reading.after / reading.before, 1 / EXTREME), EXTREME))

    def _made(
        self,
        verdict: Verdict,
        reason: str,
        canary: _Figures,
        control: _Figures,
        strata: int,
        numbers: Mapping[str, float | None],
        *,
        wait: bool = False,
        seen: bool = False,
    ) -> MetricMeasure:
        o = self.objective
        return MetricMeasure(
            key=o.key,
            metric=o.metric,
            verdict=verdict,
            reason=reason,
            against=self.against.value,
            scale=o.scale.value,
            low=o.low,
            high=o.high,
            confidence=o.confidence,
            critical=o.critical,
            dry_run=o.dry_run,
            look=self.look.number,
            looks=self.look.of,
            alpha=alpha_at(self.look.number, self.look.of, 1 - o.confidence),
            canary=_group(canary, o.scale) if self.drawn else Group(len(canary), None, None, None, ()),
            control=_group(control, o.scale) if self.drawn else Group(len(control), None, None, None, ()),
            strata=strata,
            missing=sum(1 for r in self.readings if r.canary) - len(canary),
            wait=wait,
            acknowledged=seen,
            **numbers,
        )


_Figures = Sequence[tuple[Reading, float]]


def matched(canary: _Figures, control: _Figures) -> dict[str, tuple[list[float], list[float]]]:
    """Put each device of the canary with the controls of its hardware and site, or of its hardware where few are."""
    here: dict[str, list[float]] = {}
    alike: dict[str, list[float]] = {}
    for reading, value in control:
        here.setdefault(f"{reading.hw} at {reading.site}", []).append(value)
        alike.setdefault(reading.hw, []).append(value)
    strata: dict[str, tuple[list[float], list[float]]] = {}
    for reading, value in canary:
        place = f"{reading.hw} at {reading.site}"
        near = len(here.get(place, ())) >= SMALLEST_STRATUM
        name, others = (place, here[place]) if near else (reading.hw, alike.get(reading.hw, []))
        if others:
            strata.setdefault(name, ([], others))[0].append(value)
    return strata


def _inner(bound: float, scale: Scale) -> float:
    """A bound of the policy on the scale on which devices are ranked."""
    return math.log(bound) if scale is Scale.RATIO else bound


def _outer(value: float, scale: Scale) -> float:
    return math.exp(value) if scale is Scale.RATIO else value


def _group(figures: _Figures, scale: Scale) -> Group:
    values = sorted(_outer(v, scale) for _, v in figures)
    return Group(
        devices=len(values),
        before=_median([r.before for r, _ in figures if r.before is not None]),
        after=_median([r.after for r, _ in figures if r.after is not None]),
        median=_median(values),
        quantiles=tuple(_quantile(values, i / (DRAWN - 1)) for i in range(DRAWN)) if values else (),
    )


def _median(values: Sequence[float]) -> float | None:
    return _quantile(sorted(values), 0.5) if values else None


def _quantile(ordered: Sequence[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
