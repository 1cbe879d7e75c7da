"""What the API, the command line and the console show of a rollout: pydantic models, read from rows and facts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlmodel import Session

from surefoot_server.access import users
from surefoot_server.devices import repository as devices
from surefoot_server.devices.why import SILENT_AFTER
from surefoot_server.packs import forecast
from surefoot_server.rollouts import contradictions as contradicting
from surefoot_server.rollouts import earliest, halting, headcount, listing, looking, repository
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.creation import Planned
from surefoot_server.rollouts.facts import Watch
from surefoot_server.rollouts.going_back import Forecast
from surefoot_server.rollouts.headcount import Heads
from surefoot_server.rollouts.listing import RolloutLine
from surefoot_server.rollouts.models import Rollout, RolloutDecision, RolloutMember, RolloutPhase
from surefoot_server.rollouts.waiting import bake_left_s, waits_for
from surefoot_shared.status import Outcome


class PhaseOut(BaseModel):
    """Counts are devices. `due`: offered and awake, what rates are over. `waiting`: not offered yet."""

    index: int
    name: str
    selector: str
    state: str
    members: int
    offered: int
    due: int
    busy: int
    waiting: int
    asleep: int
    staged: int
    """Of the busy ones: they have it in their other slot and wait for the order to switch."""
    outcomes: dict[str, int]
    bake_s: float
    bake_left_s: float | None
    waiting_since: datetime | None
    baking_at: datetime | None
    ended_at: datetime | None
    verdict: str | None
    reason: str
    evidence: dict[str, Any]
    acknowledged: dict[str, int]


class RolloutOut(RolloutLine):
    phases: list[PhaseOut]


class MemberOut(BaseModel):
    device: str
    hw: str
    standing: str
    phase: int | None
    why: str
    state: str | None
    outcome: str | None
    reason: str | None
    message: str
    assignment: str | None
    revert_assignment: str | None
    revert_outcome: str | None


class ForecastOut(BaseModel):
    """What a revert would do. `held`: their other slot has the release before; `cannot`: device → why."""

    sentence: str
    held: list[str]
    fetching: list[str]
    fetch_bytes: int
    cannot: dict[str, str]


class DecisionOut(BaseModel):
    at: datetime
    actor: str
    kind: str
    phase: int | None
    device: str | None
    reason: str
    detail: dict[str, Any]


class PlacedOut(BaseModel):
    device: str
    hw: str
    reason: str


class ExcludedOut(PlacedOut):
    kind: str


class PlannedPhaseOut(BaseModel):
    """`trips`: the count of each outcome that fails a phase of this size; null where no count can.

    `ends_after_s`: seconds from the start of the rollout before which the phase cannot have passed, with freezes and
    the hours to download and to switch in; `ends_at` is that moment if it started now, or at `start_at`. Both are null
    where nobody is in it. `waits_for`: whose approval it needs, "" for none.
    """

    name: str
    selector: str
    bake_s: float
    ends_after_s: float | None
    ends_at: datetime | None
    waits_for: str
    members: list[PlacedOut]
    trips: dict[str, int | None]


class DownloadOut(BaseModel):
    """Devices that run the same: what each of them fetches at most, and whether a pack makes it so."""

    running: str | None
    devices: int
    each_bytes: int
    total_bytes: int
    packed: bool


class PlanOut(BaseModel):
    """`salt` repeats this very membership when it is given to the start. `downloads`: at most, the most bytes first."""

    release: str
    also: list[str]
    """Releases that are ordered with it as one set."""
    cohort: str
    expression: str
    salt: str
    intent: str
    total: int
    phases: list[PlannedPhaseOut]
    satisfied: list[PlacedOut]
    excluded: list[ExcludedOut]
    at_least_s: float
    strategy: str
    limits: list[str]
    """In words, each a clause."""
    max_concurrent: int
    on_fail_halt: bool
    on_fail_committed_devices: str
    downloads: list[DownloadOut]
    warnings: list[str]
    """What the strategy costs, a sentence each; a start must accept it."""
    contradictions: list[str]
    """What the policy asks for that cannot be or that nobody means, a sentence each with its line and field."""


def rollout_out(session: Session, row: Rollout, now: datetime, unsigned: str = "") -> RolloutOut:
    """`unsigned`: why the server cannot sign orders for the component."""
    policy = policies.parse(row.policy)
    phases = repository.phases(session, row.id)
    facts = repository.facts(session, row, now) if row.companions else looking.facts(session, row, policy, now)
    watch = Watch(facts, now, policy.timeouts.asleep_after_s)
    heads = of_everybody(watch) if row.companions else _counted(session, row, watch, len(phases))
    outcomes = sum((Counter(each.outcomes) for each in heads.values()), Counter[Outcome]())
    left_out = listing.left_out(session, [row.id])
    return RolloutOut(
        **listing.said(row, phases, halting.halted_by(session, row), unsigned),
        members=sum(phase.members for phase in phases),
        satisfied=left_out.get((row.id, repository.SATISFIED), 0),
        excluded=left_out.get((row.id, repository.EXCLUDED), 0),
        outcomes={o.value: outcomes[o] for o in Outcome if outcomes[o]},
        waiting=sum(each.waiting for each in heads.values()),
        taken_back=sum(1 for m in facts.members if m.revert and m.revert.outcome is Outcome.COMMITTED)
        if row.companions
        else headcount.gone_back(session, row),
        phases=[phase_out(policy, watch, phase, heads.get(phase.index, Heads())) for phase in phases],
    )


def _counted(session: Session, row: Rollout, watch: Watch, phases: int) -> Mapping[int, Heads]:
    heard_since = watch.facts.outages.ago(SILENT_AFTER.total_seconds(), watch.now)
    return headcount.of_phases(session, row, phases, heard_since)


def of_everybody(watch: Watch) -> Mapping[int, Heads]:
    """Of a set, of which a member's attempt is as far as all its components are."""
    found: dict[int, Heads] = defaultdict(Heads)
    for member in watch.facts.members:
        heads, outcome = found[member.phase], member.attempt.outcome if member.attempt else None
        heads.offered += member.attempt is not None
        heads.waiting += member.waiting
        heads.away += member.waiting and not member.online
        if outcome is not None:
            heads.outcomes[outcome] = heads.outcomes.get(outcome, 0) + 1
    return found


def forecast_out(found: Forecast) -> ForecastOut:
    return ForecastOut(
        sentence=found.sentence(),
        held=[r.device for r in found.held],
        fetching=[r.device for r in found.fetching],
        fetch_bytes=sum(r.size_bytes for r in found.fetching),
        cannot={r.device: r.cannot for r in found.cannot},
    )


def phase_out(policy: policies.Policy, watch: Watch, row: RolloutPhase, heads: Heads) -> PhaseOut:
    """Who is at work is among the facts, also where those are of some members only."""
    tried = [(m, a) for m in watch.facts.members if m.phase == row.index and (a := m.attempt) is not None]
    counts = watch.counts(row.index)
    waits = waits_for(policy, watch, row.index)
    baking = row.baking_at is not None and row.ended_at is None and not waits
    return PhaseOut(
        index=row.index,
        name=row.name,
        selector=row.selector,
        state=row.state,
        members=row.members,
        offered=heads.offered,
        due=counts.due,
        busy=sum(1 for m, a in tried if watch.busy(m, a)),
        waiting=heads.waiting,
        asleep=heads.away + sum(1 for m, a in tried if watch.asleep(m, a)),
        staged=sum(1 for _, a in tried if a.staged),
        outcomes={o.value: heads.outcomes[o] for o in Outcome if heads.outcomes.get(o)},
        bake_s=row.bake_s,
        bake_left_s=bake_left_s(policy, watch, row.index) if baking else None,
        waiting_since=row.waiting_since,
        baking_at=row.baking_at,
        ended_at=row.ended_at,
        verdict=row.verdict,
        reason=waits or row.reason,
        evidence=row.evidence,
        acknowledged=row.acknowledged,
    )


def members_out(session: Session, rollout_id: str) -> list[MemberOut]:
    return members_shown(session, repository.members(session, rollout_id))


def members_shown(session: Session, members: Sequence[RolloutMember]) -> list[MemberOut]:
    """Members with their attempts, read together."""
    keys = [key for row in members for key in (row.assignment_id, row.revert_assignment_id) if key is not None]
    attempts = devices.assignments(session, keys)
    found = []
    for row in members:
        tried, back = attempts.get(row.assignment_id or ""), attempts.get(row.revert_assignment_id or "")
        found.append(
            MemberOut(
                device=row.device_id,
                hw=row.hw,
                standing=row.standing,
                phase=row.phase,
                why=row.reason,
                state=tried.state if tried else None,
                outcome=tried.outcome if tried else None,
                reason=tried.reason if tried else None,
                message=tried.message if tried else "",
                assignment=row.assignment_id,
                revert_assignment=row.revert_assignment_id,
                revert_outcome=back.outcome if back else None,
            )
        )
    return found


def decision_out(row: RolloutDecision) -> DecisionOut:
    same = {name: getattr(row, name) for name in DecisionOut.model_fields if name != "device"}
    return DecisionOut(**same, device=row.device_id)


def plan_out(session: Session, planned: Planned, now: datetime, soak_s: float = 0.0) -> PlanOut:
    """`soak_s`: of the release, where the policy has a window that it should fit into."""
    plan, policy = planned.plan, planned.policy
    begins, ends = earliest.begins(policy, now), earliest.ends(policy, plan, now)
    members = [m.device for p in plan.phases for m in p.members]
    releases = [planned.release, *(devices.release(session, each.release) for each in planned.companions)]
    fetching = [one for release in releases for one in forecast.downloads(session, release, members)]
    fetching.sort(key=lambda one: -one.total_bytes)
    return PlanOut(
        release=planned.release.id,
        also=[each.release for each in planned.companions],
        cohort=planned.cohort,
        expression=planned.expression,
        salt=planned.salt,
        intent=policy.intent.value,
        total=plan.total,
        phases=[
            PlannedPhaseOut(
                name=p.name,
                selector=p.selector,
                bake_s=p.bake_s,
                ends_after_s=None if (end := ends[i]) is None else (end - begins).total_seconds(),
                ends_at=end,
                waits_for=asked.words if (asked := policy.phases[i].approval) is not None else "",
                members=[PlacedOut(device=m.device, hw=m.hw, reason=m.reason) for m in p.members],
                trips=dict(p.trips),
            )
            for i, p in enumerate(plan.phases)
        ],
        satisfied=[PlacedOut(device=m.device, hw=m.hw, reason=m.reason) for m in plan.satisfied],
        excluded=[ExcludedOut(device=e.device, hw=e.hw, reason=e.reason, kind=e.kind.value) for e in plan.excluded],
        at_least_s=max(((end - begins).total_seconds() for end in ends if end is not None), default=0.0),
        strategy=policy.strategy.value,
        limits=_limits(policy, planned.release.component),
        max_concurrent=policy.max_concurrent,
        on_fail_halt=policy.on_fail.halt,
        on_fail_committed_devices=policy.on_fail.committed_devices.value,
        downloads=[DownloadOut(**{name: getattr(d, name) for name in DownloadOut.model_fields}) for d in fetching],
        warnings=list(policy.recreate.words) if policy.recreate else [],
        contradictions=contradicting.contradictions(
            planned.order.policy, policy, [len(p.members) for p in plan.phases], users.people(session, now), now, soak_s
        ),
    )


def _limits(policy: policies.Policy, component: str) -> list[str]:
    """What holds the rollout back, in words."""
    beside = [policy.shadow.words] if policy.shadow else []
    return [*policy.limits.words(), *policy.bars.words(component), *policy.way_back.words(), *beside]
