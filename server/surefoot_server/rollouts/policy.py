"""The rollout policy: a YAML document becomes one frozen value, or an error that names line and field.

Promises: every key is known and every value is in its range, so nothing an operator wrote is ignored; durations carry a
unit (10s, 6h, 1d), shares are percentages (2%) or ratios (0.02). Refuses keys of features that this version lacks: a
policy that asks for an approval must not run without one. Source: DESIGN §8.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from surefoot_server.rollouts import approvals, bars, document, limits, retries, shadowing, way_back
from surefoot_server.rollouts import gate as gates
from surefoot_server.rollouts import recreate as recreating
from surefoot_server.rollouts import triggers as reasons
from surefoot_server.rollouts.approvals import Approval
from surefoot_server.rollouts.bars import Bars
from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.gate import Gate
from surefoot_server.rollouts.limits import Limits
from surefoot_server.rollouts.recreate import Recreate
from surefoot_server.rollouts.retries import Retries
from surefoot_server.rollouts.shadowing import Shadowing
from surefoot_server.rollouts.strategy import Strategy
from surefoot_server.rollouts.triggers import Triggers
from surefoot_server.rollouts.way_back import WayBack
from surefoot_shared.errors import Invalid
from surefoot_shared.status import Intent

HOUR_S = 3600.0
MOST_COMPANIONS = 8
"""Releases beside the leading one: more components than any device has."""


class CommittedDevices(str, Enum):
    KEEP = "keep"
    REVERT = "revert"


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
    approval: Approval | None = None

    @property
    def selector(self) -> str:
        return self.select if self.select is not None else f"{self.percent or 0:g}%"


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
    limits: Limits
    timeouts: Timeouts
    on_fail: OnFail
    triggers: Triggers = field(default_factory=Triggers)
    strategy: Strategy = Strategy.CANARY
    approval: Approval | None = None
    start_at: datetime | None = None
    recreate: Recreate | None = None
    shadow: Shadowing | None = None
    retry: Retries = field(default_factory=Retries)
    bars: Bars = field(default_factory=Bars)
    way_back: WayBack = field(default_factory=WayBack)
    also: tuple[str, ...] = ()
    """Releases that are ordered with its own as one set."""

    @property
    def max_concurrent(self) -> int:
        return self.limits.max_concurrent

    @property
    def orders_switch(self) -> bool:
        """Devices stage the release and wait for the order to switch, which a shadow never gets."""
        return self.strategy in (Strategy.BLUE_GREEN, Strategy.SHADOW) or self.limits.orders_each_switch


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Policy:
    """Parse a policy document (YAML; an empty one is the default ladder); raises Invalid naming line and field."""
    return read(document.parse(text))


def read(root: Field) -> Policy:
    """Read a policy from its document's root."""
    top = root.mapping(
        "rollout", "phases", "gate", "limits", "timeouts", "on_fail", "triggers", "retry", "releases", "revert"
    )
    rollout = top["rollout"].mapping(
        "release", "also", "cohort", "strategy", "intent", "approval", "start_at", "recreate", "shadow"
    )
    strategy = rollout["strategy"].choice(Strategy, Strategy.CANARY)
    return Policy(
        release=rollout["release"].text_or_none(),
        cohort=rollout["cohort"].text_or_none(),
        intent=_intent(rollout["intent"]),
        phases=_phases(top["phases"], strategy),
        gate=_gate(top["gate"], strategy),
        limits=limits.parse(top["limits"], strategy),
        timeouts=_timeouts(top["timeouts"]),
        on_fail=_on_fail(top["on_fail"]),
        triggers=reasons.parse(top["triggers"]),
        strategy=strategy,
        approval=approvals.parse(rollout["approval"]),
        start_at=rollout["start_at"].moment_or_none(),
        retry=retries.parse(top["retry"]),
        shadow=shadowing.parse(rollout["shadow"], strategy),
        bars=bars.parse(top["releases"]),
        way_back=way_back.parse(top["revert"], strategy),
        recreate=recreating.parse(rollout["recreate"], strategy),
        also=_also(rollout["also"], rollout["release"]),
    )


def _gate(field: Field, strategy: Strategy) -> Gate:
    gate = gates.parse(field)
    bare = strategy is Strategy.SHADOW and not gate.metrics
    return replace(gate, metrics=shadowing.OBJECTIVES) if bare else gate


def _also(field: Field, release: Field) -> tuple[str, ...]:
    found = bars.releases(field)
    if found and release.absent:
        raise field.wrong("these go with rollout.release, which is not there")
    if len(found) > MOST_COMPANIONS:
        raise field.wrong(f"at most {MOST_COMPANIONS} go with it")
    return found


def _intent(field: Field) -> Intent:
    intent = field.choice(Intent, Intent.UPDATE)
    if intent is Intent.REVERT:
        raise field.wrong("it must be update or downgrade; a revert is ordered with `surefoot rollout revert`")
    return intent


def _phases(field: Field, strategy: Strategy) -> tuple[PhasePolicy, ...]:
    bake_s = shadowing.BAKE_S if strategy is Strategy.SHADOW else HOUR_S
    if field.absent:
        return tuple(PhasePolicy(f"{percent:g}%", percent, bake_s=bake_s) for percent in strategy.ladder)
    phases: list[PhasePolicy] = []
    reached = 0.0
    for item in field.items():
        phase = _phase(item, f"phase {len(phases) + 1}", bake_s)
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


def _phase(item: Field, default_name: str, bake_s: float) -> PhasePolicy:
    fields = item.mapping("name", "percent", "select", "min_devices", "bake", "approval")
    select, percent = fields["select"], fields["percent"]
    if select.absent == percent.absent:
        raise item.wrong("it needs either percent or select")
    share = None if percent.absent else percent.percentage()
    return PhasePolicy(
        name=fields["name"].text_or_none() or (default_name if share is None else f"{share:g}%"),
        percent=share,
        select=select.expression_or_none(),
        min_devices=fields["min_devices"].integer(1, low=1, high=1_000_000),
        bake_s=fields["bake"].duration_s(bake_s),
        approval=approvals.parse(fields["approval"]),
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


def companions(policy: Policy, release: str | None, also: Sequence[str]) -> tuple[str, ...]:
    """What goes with the release: given ones win, and another release than the document's goes without its others."""
    if also or release not in (None, policy.release):
        return tuple(also)
    return policy.also


def complete(policy: Policy, release: str | None, cohort: str | None) -> tuple[str, str]:
    """Return the release and the cohort: given ones win over the document's. Raises Invalid where one is missing."""
    release, cohort = release or policy.release, cohort or policy.cohort
    if release is None or cohort is None:
        missing = "release" if release is None else "cohort"
        hint = f"Give --{missing}, or rollout.{missing} in the policy."
        raise Invalid("malformed", f"The rollout names no {missing}.", hint)
    return release, cohort
