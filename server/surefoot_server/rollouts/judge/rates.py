"""Outcomes by device against an objective: a rate, its exact bounds, and what follows.

Promises: a rate fails only when it is surely above the limit, or at a tripwire while the phase is small; a rate above
its limit that is not surely above is hold, and so is one that must be proved below a limit and is not. What a person
acknowledged is in neither the count nor the denominator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot_server.rollouts.gate import Objective
from surefoot_server.rollouts.judge.bounds import clean_devices, proved_below, surely_above, trip_count, tripped
from surefoot_shared.status import Outcome, Verdict

EVIDENCE = (Outcome.COMMITTED, Outcome.SHADOWED, Outcome.REVERTED, Outcome.FAILED, Outcome.LOST)
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
    def succeeded(self) -> int:
        """Devices that have it, or ran it beside their own for its time."""
        return self.of(Outcome.COMMITTED) + self.of(Outcome.SHADOWED)

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
    limit: float | None
    confidence: float
    tripwire: int | None
    trips_at: int | None
    """The count that fails a phase of this size."""
    proved_below: float = 1.0
    """The upper bound of the true rate at this confidence."""
    must_be_below: float | None = None
    dry_run: bool = False


def measure(objective: Objective, counts: Counts, acknowledged: int = 0) -> Measure:
    """Measure one objective; acknowledged devices are in neither the count nor the denominator."""
    total = counts.of(Outcome(objective.metric.value))
    count = max(0, total - acknowledged)
    due = max(counts.due - (total - count), count)
    # Only an outcome that was reported proves anything: a device that is still at it may yet fail.
    proved = proved_below(count, min(due, counts.reported - (total - count)), objective.confidence)
    bound = surely_above(count, due, objective.confidence)
    verdict, reason = _decide(objective, count, due, bound, proved)
    return Measure(
        metric=objective.metric.value,
        verdict=verdict,
        reason=reason,
        count=count,
        acknowledged=total - count,
        due=due,
        rate=count / due if due else 0.0,
        surely_above=bound,
        limit=objective.fail_if_surely_above,
        confidence=objective.confidence,
        tripwire=objective.tripwire,
        trips_at=trip_count(due, objective),
        proved_below=proved,
        must_be_below=objective.pass_if_proved_below,
        dry_run=objective.dry_run,
    )


def _decide(objective: Objective, count: int, due: int, bound: float, proved: float) -> tuple[Verdict, str]:
    said = f"{count} of {due} devices {_did(objective.metric.value)}"
    rate, limit, must = count / due if due else 0.0, objective.fail_if_surely_above, objective.pass_if_proved_below
    if tripped(objective, count, due):
        return Verdict.FAIL, f"{said}, the tripwire is {objective.tripwire}"
    if limit is not None and count and bound > limit:
        return Verdict.FAIL, (
            f"{said} ({rate:.1%}), surely more than {bound:.1%} at {objective.confidence:.0%} confidence, "
            f"the limit is {limit:.1%}"
        )
    if limit is not None and rate > limit:
        return Verdict.HOLD, f"{said} ({rate:.1%}), above {limit:.1%} but not surely"
    if must is not None and proved >= must:
        return Verdict.HOLD, (
            f"{said}, so below {proved:.1%} at {objective.confidence:.0%} confidence, below {must:.1%} must be proved"
            + (f" (by {clean_devices(objective)} devices without one)" if not count else "")
        )
    return Verdict.PASS, said


def _did(metric: str) -> str:
    return {"lost": "were lost", "refused": "refused it"}.get(metric, metric)
