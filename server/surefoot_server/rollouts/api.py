"""Rollouts over HTTP: plan, start, look, and the operator's acts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.rollouts import repository, views
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.rollouts.views import DecisionOut, MemberOut, PlanOut, RolloutOut
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/rollouts", tags=["rollouts"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]


class OrderIn(BaseModel):
    """`policy` is a YAML document; `release` (component/version) and `cohort` (name or expression) win over it."""

    policy: str = Field(default="", max_length=64 * 1024)
    release: str | None = Field(default=None, max_length=100)
    cohort: str | None = Field(default=None, max_length=4000)
    salt: str = Field(default="", pattern=r"^[0-9a-zA-Z]{0,64}$", description="Of a plan: repeats its membership")
    lift_halt: bool = Field(default=False, description="Start although the release is on the halt list, and lift it")


class ActIn(BaseModel):
    reason: str = Field(default="", max_length=500)


class HaltIn(ActIn):
    committed: CommittedDevices = CommittedDevices.KEEP


@router.post("/plan")
def plan(request: Request, body: OrderIn, _who: Viewer) -> PlanOut:
    """Say who would get it when, and who is left out and why; changes nothing."""
    state = state_of(request)
    with state.db.read() as session:
        return views.plan_out(state.rollouts.plan(session, _order(body)))


@router.post("", status_code=201)
def start(request: Request, body: OrderIn, who: Operator) -> RolloutOut:
    rollout_id = state_of(request).rollouts.start(_order(body), who.name, db.utc_now())
    return _shown(request, rollout_id)


@router.get("")
def list_rollouts(request: Request, _who: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> list[RolloutOut]:
    """The newest first."""
    with state_of(request).db.read() as session:
        now = db.utc_now()
        return [views.rollout_out(session, row, now) for row in repository.rollouts(session, limit)]


@router.get("/{rollout_id}")
def show(request: Request, rollout_id: str, _who: Viewer) -> RolloutOut:
    return _shown(request, rollout_id)


@router.get("/{rollout_id}/members")
def members(request: Request, rollout_id: str, _who: Viewer) -> list[MemberOut]:
    """Every device that the rollout knows: members, satisfied and excluded ones, each with its reason."""
    with state_of(request).db.read() as session:
        repository.rollout(session, rollout_id)
        return views.members_out(session, rollout_id)


@router.get("/{rollout_id}/decisions")
def decisions(
    request: Request, rollout_id: str, _who: Viewer, limit: Annotated[int, Query(ge=1, le=5000)] = 200
) -> list[DecisionOut]:
    """What the engine decided and people did, the newest first."""
    with state_of(request).db.read() as session:
        repository.rollout(session, rollout_id)
        rows = repository.decisions(session, rollout_id, limit)
        return [views.decision_out(row) for row in rows]


@router.post("/{rollout_id}/pause")
def pause(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    state_of(request).rollouts.pause(rollout_id, who.name, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/resume")
def resume(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    """Go on, acknowledging the failures seen so far."""
    state_of(request).rollouts.resume(rollout_id, who.name, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/halt")
def halt(request: Request, rollout_id: str, body: HaltIn, who: Operator) -> RolloutOut:
    """Stop every device that has not switched; those that have it keep it or go back."""
    state_of(request).rollouts.halt(rollout_id, body.committed, who.name, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/revert")
def revert(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    """Take the release back from every device that this rollout gave it to."""
    state_of(request).rollouts.revert(rollout_id, who.name, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/cancel")
def cancel(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    state_of(request).rollouts.cancel(rollout_id, who.name, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


def _shown(request: Request, rollout_id: str) -> RolloutOut:
    with state_of(request).db.read() as session:
        return views.rollout_out(session, repository.rollout(session, rollout_id), db.utc_now())


def _order(body: OrderIn) -> Order:
    return Order(body.policy, body.release, body.cohort, body.salt, body.lift_halt)
