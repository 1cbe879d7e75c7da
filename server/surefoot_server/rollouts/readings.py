"""What the judge is to look at: when a look is due, who is canary and who control, and their figures.

Promises: a look is read when its time has come and not at every tick; canary and control are measured over the very
same hours, before the phase's first offer and since its bake began; a control is a member of a later phase that was
not offered the release and does not run it. Refuses to judge.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.rollouts import planner
from surefoot_server.rollouts.facts import Facts
from surefoot_server.rollouts.gate import Against, Baseline, MetricObjective
from surefoot_server.rollouts.judge import Look, Reading
from surefoot_server.rollouts.judge.schedule import look_due
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_server.rollouts.policy import Policy
from surefoot_server.telemetry.aggregates import Cut, by_device
from surefoot_shared.status import Outcome, PhaseState, RolloutState

CONTROLS_LIMIT = 500
"""More controls than this make no verdict surer, and each costs its samples; the alike ones come first."""
KEPT_S = 20.0
"""While a phase waits for samples after its bake they are read this often, not at every tick."""
SHORTEST_S = 600.0
"""A short bake is still compared with this much of the past: a few samples would be chance."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Who:
    device: str
    hw: str
    site: str
    canary: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    number: int
    at: datetime
    look: Look


class Readings:
    """Brings a look to the facts of a rollout whose policy has metrics, when it is due."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], _Kept] = {}
        self._lock = threading.Lock()

    def attach(self, session: Session, row: Rollout, policy: Policy, facts: Facts, now: datetime) -> Facts:
        """Return the facts with the look that is due, or as they are."""
        number = due(policy, facts, now)
        if number is None:
            return facts
        with self._lock:
            kept = self._kept.get((row.id, facts.phase))
        if kept is None or kept.number != number or (now - kept.at).total_seconds() >= KEPT_S:
            kept = _Kept(number, now, _read(session, row, policy, facts, number, now))
            with self._lock:
                self._kept = {k: v for k, v in self._kept.items() if k[0] != row.id} | {(row.id, facts.phase): kept}
        return replace(facts, look=kept.look)


def due(policy: Policy, facts: Facts, now: datetime) -> int | None:
    """The number of the look whose time has come in the current phase."""
    if not policy.gate.metrics or facts.state is not RolloutState.RUNNING or facts.phase >= len(facts.phases):
        return None
    phase = facts.phases[facts.phase]
    if phase.state is not PhaseState.BAKING or phase.baking_at is None:
        return None
    baked_s = facts.outages.elapsed_s(phase.baking_at, now)
    return look_due(policy.gate.looks, phase.looks, baked_s, policy.phases[facts.phase].bake_s)


def _read(session: Session, row: Rollout, policy: Policy, facts: Facts, number: int, now: datetime) -> Look:
    baking_at = facts.phases[facts.phase].baking_at
    assert baking_at is not None
    who = _canary(session, row, facts.phase)
    if any(o.against is Against.CONTROL for o in policy.gate.metrics):
        who = who + _control(session, row, facts.phase, who)
    first = _first_offer(session, row, facts.phase) or baking_at
    bake_s = policy.phases[facts.phase].bake_s
    since = baking_at if policy.shadow is None else first  # a shadow has run when its phase bakes
    readings = {
        objective.key: _readings(session, row, objective, who, _spans(objective, first, since, bake_s, now))
        for objective in policy.gate.metrics
    }
    return Look(number, policy.gate.looks, readings)


_Spans = tuple[tuple[datetime, datetime], tuple[datetime, datetime]]


def _spans(objective: MetricObjective, first: datetime, baking_at: datetime, bake_s: float, now: datetime) -> _Spans:
    """Before and after, as (since, until) each; the same for every device of the phase and its controls."""
    if objective.baseline is Baseline.SAME_HOURS:
        days = DAY * max(1, -((first - now) // DAY))
        return (baking_at - days, now - days), (baking_at, now)
    return (first - timedelta(seconds=max(bake_s, SHORTEST_S)), first), (baking_at, now)


def _readings(
    session: Session, row: Rollout, objective: MetricObjective, who: list[_Who], spans: _Spans
) -> tuple[Reading, ...]:
    (before_since, before_until), (since, until) = spans
    canary = [w.device for w in who if w.canary]
    wanted = who if objective.against is Against.CONTROL else [w for w in who if w.canary]
    control = [w.device for w in wanted if not w.canary]
    past = Cut(row.component, before_since, before_until, other_than=row.digest)
    before = by_device(session, objective.metric, [w.device for w in wanted], past)
    after = by_device(session, objective.metric, canary, Cut(row.component, since, until, on=row.digest))
    after |= by_device(session, objective.metric, control, Cut(row.component, since, until, other_than=row.digest))
    return tuple(Reading(w.device, w.hw, w.site, w.canary, before.get(w.device), after.get(w.device)) for w in wanted)


def _canary(session: Session, row: Rollout, phase: int) -> list[_Who]:
    """Members that committed the release in this phase, or ran it beside their own."""
    query = (
        select(RolloutMember.device_id, RolloutMember.hw, Device.attributes)
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(
            RolloutMember.rollout_id == row.id,
            Assignment.phase == phase,
            col(Assignment.outcome).in_((Outcome.COMMITTED.value, Outcome.SHADOWED.value)),
        )
        .order_by(RolloutMember.device_id)
    )
    return [_Who(device, hw, _site(attributes), True) for device, hw, attributes in session.exec(query)]


def _control(session: Session, row: Rollout, phase: int, canary: list[_Who]) -> list[_Who]:
    """Members of later phases that were not offered the release, those of the canary's hardware and sites first."""
    query = (
        select(RolloutMember.device_id, RolloutMember.hw, Device.attributes)
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .outerjoin(
            DeviceComponent,
            sa.and_(
                col(DeviceComponent.device_id) == col(RolloutMember.device_id),
                col(DeviceComponent.component) == row.component,
            ),
        )
        .where(
            RolloutMember.rollout_id == row.id,
            col(RolloutMember.phase) > phase,
            col(RolloutMember.assignment_id).is_(None),
            sa.or_(col(DeviceComponent.digest).is_(None), col(DeviceComponent.digest) != row.digest),
        )
    )
    found = [_Who(device, hw, _site(attributes), False) for device, hw, attributes in session.exec(query)]
    hardware, places = {w.hw for w in canary}, {(w.hw, w.site) for w in canary}
    alike = [w for w in found if w.hw in hardware]
    alike.sort(key=lambda w: ((w.hw, w.site) not in places, planner.rank(w.device, row.salt)))
    return alike[:CONTROLS_LIMIT]


def _first_offer(session: Session, row: Rollout, phase: int) -> datetime | None:
    query = (
        select(Assignment.offered_at)
        .where(Assignment.rollout_id == row.id, Assignment.phase == phase, Assignment.release_id == row.release_id)
        .order_by(col(Assignment.offered_at))
    )
    found: datetime | None = session.exec(query.limit(1)).first()
    return found


def _site(attributes: Mapping[str, str]) -> str:
    return attributes.get("site", "")
