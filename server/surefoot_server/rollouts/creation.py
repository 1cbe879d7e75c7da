"""Make a rollout out of a plan: the order that was given, what it resolved to, and the rows that hold it.

Promises: everyone in the cohort gets a row with a reason, members, satisfied and excluded ones alike; a rollout in
which nobody is, or everybody is left out, is refused instead of succeeding with nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from surefoot_server.releases.models import Release
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.models import Rollout, RolloutMember, RolloutPhase
from surefoot_server.rollouts.planner import Plan
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.errors import Conflict
from surefoot_shared.status import PhaseState, RolloutState


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asks for. `salt` repeats the membership of a plan that was looked at before."""

    policy: str = ""
    release: str | None = None
    cohort: str | None = None
    salt: str = ""
    lift_halt: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    order: Order
    policy: Policy
    release: Release
    cohort: str
    expression: str
    salt: str
    plan: Plan


def check_startable(planned: Planned) -> None:
    """Raise Conflict where nobody would be offered anything, with the first reason."""
    plan = planned.plan
    if plan.total or plan.satisfied:
        return
    if plan.excluded:
        first, count = plan.excluded[0], len(plan.excluded)
        who = "The only device of {} is" if count == 1 else f"All {count} devices of {{}} are"
        raise Conflict(
            "conflict",
            f"{who.format(planned.cohort)} left out, {first.device} because {first.reason}.",
            "`surefoot rollout plan` lists the reason of each.",
        )
    raise Conflict("conflict", f"No device belongs to {planned.cohort}.", "`surefoot cohort list` shows who belongs.")


def insert(session: Session, planned: Planned, actor: str, now: datetime) -> Rollout:
    """Write the rollout with its phases and members, as a draft."""
    number = repository.next_number(session)
    row = Rollout(
        id=f"r{number}",
        number=number,
        release_id=planned.release.id,
        component=planned.release.component,
        digest=planned.release.digest,
        cohort=planned.cohort,
        expression=planned.expression,
        policy=planned.order.policy,
        salt=planned.salt,
        state=RolloutState.DRAFT.value,
        created_at=now,
        created_by=actor,
    )
    session.add(row)
    session.flush()
    for index, phase in enumerate(planned.plan.phases):
        session.add(
            RolloutPhase(
                rollout_id=row.id,
                index=index,
                name=phase.name,
                selector=phase.selector,
                bake_s=phase.bake_s,
                members=len(phase.members),
                state=PhaseState.PENDING.value,
            )
        )
    session.add_all(_members(row.id, planned.plan))
    session.flush()
    return row


def _members(rollout_id: str, plan: Plan) -> list[RolloutMember]:
    def row(device: str, hw: str, reason: str, standing: str, phase: int | None = None) -> RolloutMember:
        return RolloutMember(
            rollout_id=rollout_id, device_id=device, hw=hw, reason=reason, standing=standing, phase=phase
        )

    placed = [
        row(m.device, m.hw, m.reason, repository.MEMBER, index)
        for index, phase in enumerate(plan.phases)
        for m in phase.members
    ]
    happy = [row(m.device, m.hw, m.reason, repository.SATISFIED) for m in plan.satisfied]
    return placed + happy + [row(e.device, e.hw, e.reason, repository.EXCLUDED) for e in plan.excluded]
