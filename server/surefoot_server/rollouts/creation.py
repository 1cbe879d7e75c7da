"""Make a rollout out of a plan: the order that was given, what it resolved to, and the rows that hold it.

Promises: everyone in the cohort gets a row with a reason, members, satisfied and excluded ones alike; a rollout in
which nobody is, or everybody is left out, is refused instead of succeeding with nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server.releases.models import Release
from surefoot_server.rollouts import bars, companions, planner, repository
from surefoot_server.rollouts.companions import Companion
from surefoot_server.rollouts.models import Rollout, RolloutMember, RolloutPhase
from surefoot_server.rollouts.planner import Excluded, Placed, Plan
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.recreate import span_of
from surefoot_shared.errors import Conflict, NotFound
from surefoot_shared.status import PhaseState, RolloutState


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asks for. `salt` repeats the membership of a plan that was looked at before."""

    policy: str = ""
    release: str | None = None
    cohort: str | None = None
    salt: str = ""
    lift_halt: bool = False
    accept_blind: bool = False
    """A person knows what recreate costs."""
    also: tuple[str, ...] = ()
    """Releases of other components that are ordered with it as one set."""


@dataclass(frozen=True, slots=True)
class Planned:
    order: Order
    policy: Policy
    release: Release
    cohort: str
    expression: str
    salt: str
    plan: Plan
    companions: tuple[Companion, ...] = ()

    @property
    def digests(self) -> list[str]:
        return [self.release.digest, *(each.digest for each in self.companions)]


def offering(session: Session, policy: Policy, release: Release) -> planner.Offering:
    """The release as the planner sees it. Raises NotFound where the policy names releases that do not exist."""
    named, counters = policy.bars.named(release.component), repository.counters(session, release.component)
    for name in named:
        if name not in counters:
            raise NotFound("not_found", f"The policy names {name!r}, and there is no such release.")
    why = bars.barred(policy.bars, release.component, counters).get(release.id, "")
    origin = policy.bars.origin(release.component)
    return planner.Offering(
        release.digest,
        frozenset(release.hw),
        release.counter,
        barred=f"{release.id} is not for it: {why}" if why else "",
        origin=(origin, counters[origin]) if origin else None,
    )


def check_accepted(planned: Planned) -> None:
    """Raise Conflict where the strategy has a price that nobody has accepted."""
    recreate = planned.policy.recreate
    if recreate is not None and not planned.order.accept_blind:
        span = span_of(recreate.blind_time_s)
        raise Conflict(
            "conflict",
            f"Recreate leaves a device without room for two releases blind for up to {span} and without a way back "
            "of its own, and nobody has accepted that.",
            "Look at `surefoot rollout plan`, then start with --accept-blind.",
        )


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
        companions=companions.kept(planned.companions),
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
    session.connection().execute(sa.insert(RolloutMember), _members(row.id, planned.plan))
    return row


def _members(rollout_id: str, plan: Plan) -> list[dict[str, Any]]:
    """Plain values for one executemany: a row object a device would take a large fleet half a minute."""

    def row(each: Placed | Excluded, standing: str, phase: int | None = None, place: int = 0) -> dict[str, Any]:
        who = {"rollout_id": rollout_id, "device_id": each.device, "hw": each.hw, "reason": each.reason}
        where = {"site": each.site, "zone": each.zone} if isinstance(each, Placed) else {"site": "", "zone": ""}
        return {**who, **where, "standing": standing, "phase": phase, "place": place}

    placed = [
        row(member, repository.MEMBER, index, place)
        for index, phase in enumerate(plan.phases)
        for place, member in enumerate(phase.members)
    ]
    happy = [row(m, repository.SATISFIED) for m in plan.satisfied]
    return placed + happy + [row(e, repository.EXCLUDED) for e in plan.excluded]
