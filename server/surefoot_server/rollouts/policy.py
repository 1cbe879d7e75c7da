"""The rollout policy: a YAML document becomes one frozen value, or an error that names line and field.

Promises: every key is known and every value is in its range, so nothing an operator wrote is ignored; durations carry a
unit (10s, 6h, 1d), shares are percentages (2%) or ratios (0.02). Refuses keys of features that this version lacks: a
policy that asks for an approval must not run without one. Source: DESIGN §8.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum

from surefoot_server.rollouts import document
from surefoot_server.rollouts.document import Field
from surefoot_shared.errors import Invalid
from surefoot_shared.status import Intent

LADDER = (1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0)
"""DESIGN §8: the canary strategy without phases of its own."""
HOUR_S = 3600.0


class OnInconclusive(str, Enum):
    """There is no `pass`: what could not be decided is never taken for good."""

    HOLD = "hold"
    FAIL = "fail"


class CommittedDevices(str, Enum):
    KEEP = "keep"
    REVERT = "revert"


class ObjectiveMetric(str, Enum):
    """The outcomes that an objective can bound."""

    FAILED = "failed"
    REVERTED = "reverted"
    LOST = "lost"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PhasePolicy:
    """Who: `select` (an expression) or `percent` of the cohort so far. How long it bakes once its devices committed.

    `min_devices`: the phase is at least this large, and is judged on the reports of this many (times min_reported).
    """

    name: str
    percent: float | None = None
    select: str | None = None
    min_devices: int = 1
    bake_s: float = HOUR_S

    @property
    def selector(self) -> str:
        return self.select if self.select is not None else f"{self.percent or 0:g}%"


@dataclass(frozen=True, slots=True)
class Objective:
    """Fail when the rate is above the limit with this confidence, or at `tripwire` devices of a small phase."""

    metric: ObjectiveMetric
    fail_if_surely_above: float
    confidence: float = 0.9
    tripwire: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    min_reported: float = 0.9
    max_wait_s: float = 48 * HOUR_S
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    objectives: tuple[Objective, ...] = (
        Objective(ObjectiveMetric.FAILED, 0.02),
        Objective(ObjectiveMetric.REVERTED, 0.01, tripwire=2),
        Objective(ObjectiveMetric.LOST, 0.01, tripwire=1),
    )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """lost_after: silent after the switch. asleep_after: silent before it. step: online without any progress.

    A device in probation reports nothing while all is well, so `step` must be longer than the release's probation.
    """

    lost_after_s: float = 900.0
    asleep_after_s: float = 300.0
    step_s: float = 2 * HOUR_S


@dataclass(frozen=True, slots=True)
class OnFail:
    halt: bool = True
    committed_devices: CommittedDevices = CommittedDevices.REVERT


@dataclass(frozen=True, slots=True)
class Policy:
    """`release` and `cohort` may come from the command line instead; they are None then."""

    release: str | None
    cohort: str | None
    intent: Intent
    phases: tuple[PhasePolicy, ...]
    gate: Gate
    max_concurrent: int
    timeouts: Timeouts
    on_fail: OnFail


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Policy:
    """Parse a policy document (YAML; an empty one is the default ladder); raises Invalid naming line and field."""
    root = document.parse(text)
    top = root.mapping("rollout", "phases", "gate", "limits", "timeouts", "on_fail")
    rollout = top["rollout"].mapping("release", "cohort", "strategy", "intent")
    rollout["strategy"].choice(_Strategy, _Strategy.CANARY)
    limits = top["limits"].mapping("max_concurrent")
    return Policy(
        release=rollout["release"].text_or_none(),
        cohort=rollout["cohort"].text_or_none(),
        intent=_intent(rollout["intent"]),
        phases=_phases(top["phases"]),
        gate=_gate(top["gate"]),
        max_concurrent=limits["max_concurrent"].integer(200, low=1, high=1_000_000),
        timeouts=_timeouts(top["timeouts"]),
        on_fail=_on_fail(top["on_fail"]),
    )


class _Strategy(str, Enum):
    CANARY = "canary"


def _intent(field: Field) -> Intent:
    intent = field.choice(Intent, Intent.UPDATE)
    if intent is Intent.REVERT:
        raise field.wrong("it must be update or downgrade; a revert is ordered with `surefoot rollout revert`")
    return intent


def _phases(field: Field) -> tuple[PhasePolicy, ...]:
    if field.absent:
        return tuple(PhasePolicy(f"{percent:g}%", percent) for percent in LADDER)
    phases: list[PhasePolicy] = []
    reached = 0.0
    for item in field.items():
        phase = _phase(item, f"phase {len(phases) + 1}")
        if phase.percent is not None:
            if phase.percent <= reached:
                raise item.wrong(f"percent must rise from phase to phase ({phase.percent:g} follows {reached:g})")
            reached = phase.percent
        if phase.name in {p.name for p in phases}:
            raise item.wrong(f"two phases are named {phase.name!r}")
        phases.append(phase)
    if not phases or phases[-1].percent != 100:
        raise field.wrong("the last phase must have percent: 100; choose a smaller cohort to leave devices out")
    return tuple(phases)


def _phase(item: Field, default_name: str) -> PhasePolicy:
    fields = item.mapping("name", "percent", "select", "min_devices", "bake")
    select, percent = fields["select"], fields["percent"]
    if select.absent == percent.absent:
        raise item.wrong("it needs either percent or select")
    share = None if percent.absent else percent.percentage()
    return PhasePolicy(
        name=fields["name"].text_or_none() or (default_name if share is None else f"{share:g}%"),
        percent=share,
        select=select.expression_or_none(),
        min_devices=fields["min_devices"].integer(1, low=1, high=1_000_000),
        bake_s=fields["bake"].duration_s(HOUR_S),
    )


def _gate(field: Field) -> Gate:
    default = Gate()
    fields = field.mapping("min_reported", "max_wait", "on_inconclusive", "objectives")
    objectives = fields["objectives"]
    return Gate(
        min_reported=fields["min_reported"].ratio(default.min_reported, low=0.01),
        max_wait_s=fields["max_wait"].duration_s(default.max_wait_s, low=1.0),
        on_inconclusive=fields["on_inconclusive"].choice(OnInconclusive, default.on_inconclusive),
        objectives=default.objectives if objectives.absent else _objectives(objectives),
    )


def _objectives(field: Field) -> tuple[Objective, ...]:
    objectives = tuple(_objective(item) for item in field.items())
    if not objectives:
        raise field.wrong("a gate without objectives would pass anything")
    if len({o.metric for o in objectives}) < len(objectives):
        raise field.wrong("each metric may have one objective")
    return objectives


def _objective(item: Field) -> Objective:
    fields = item.mapping("metric", "fail_if_surely_above", "confidence", "tripwire")
    tripwire = fields["tripwire"]
    return Objective(
        metric=fields["metric"].required().choice(ObjectiveMetric, ObjectiveMetric.FAILED),
        fail_if_surely_above=fields["fail_if_surely_above"].required().ratio(0.0, high=0.99),
        confidence=fields["confidence"].ratio(0.9, low=0.5, high=0.999),
        tripwire=None if tripwire.absent else tripwire.integer(1, low=1, high=50),
    )


def _timeouts(field: Field) -> Timeouts:
    default = Timeouts()
    fields = field.mapping("lost_after", "asleep_after", "step")
    return Timeouts(
        lost_after_s=fields["lost_after"].duration_s(default.lost_after_s, low=1.0),
        asleep_after_s=fields["asleep_after"].duration_s(default.asleep_after_s, low=1.0),
        step_s=fields["step"].duration_s(default.step_s, low=1.0),
    )


def _on_fail(field: Field) -> OnFail:
    default = OnFail()
    fields = field.mapping("halt", "committed_devices")
    return OnFail(
        halt=fields["halt"].boolean(default.halt),
        committed_devices=fields["committed_devices"].choice(CommittedDevices, default.committed_devices),
    )


def complete(policy: Policy, release: str | None, cohort: str | None) -> tuple[str, str]:
    """Return the release and the cohort: given ones win over the document's. Raises Invalid where one is missing."""
    release, cohort = release or policy.release, cohort or policy.cohort
    if release is None or cohort is None:
        missing = "release" if release is None else "cohort"
        hint = f"Give --{missing}, or rollout.{missing} in the policy."
        raise Invalid("malformed", f"The rollout names no {missing}.", hint)
    return release, cohort
