"""Rollouts over HTTP: plan, start, look, and the operator's acts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import check_cohort, check_release
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.paging import Page, Paged, pages
from surefoot_server.rollouts import forecasting, listing, repository, views
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.forecast.answer import Forecast
from surefoot_server.rollouts.listing import RolloutLine
from surefoot_server.rollouts.policy import MOST_COMPANIONS, CommittedDevices
from surefoot_server.rollouts.views import DecisionOut, ForecastOut, MemberOut, PlanOut, RolloutOut
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/rollouts", tags=["rollouts"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Planner = Annotated[Principal, Depends(require(Role.VIEWER, Over.ORDER))]
Starter = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ORDER))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ROLLOUT))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ROLLOUT))]


class OrderIn(BaseModel):
    """`policy` is a YAML document; `release` (component/version) and `cohort` (name or expression) win over it."""

    policy: str = Field(default="", max_length=64 * 1024)
    release: str | None = Field(default=None, max_length=100)
    cohort: str | None = Field(default=None, max_length=4000)
    also: list[str] = Field(
        default_factory=list, max_length=MOST_COMPANIONS, description="Releases ordered with it as one set"
    )
    salt: str = Field(default="", pattern=r"^[0-9a-zA-Z]{0,64}$", description="Of a plan: repeats its membership")
    lift_halt: bool = Field(default=False, description="Start although the release is on the halt list, and lift it")
    accept_blind: bool = Field(default=False, description="Of recreate: accept the blind time and no way back")


class QuestionIn(OrderIn):
    """`assumptions` is a YAML document: rates, durations, who is offline; an empty one is a plain release."""

    assumptions: str = Field(default="", max_length=64 * 1024)
    runs: int = Field(default=100, ge=1, le=forecasting.RUNS_LIMIT)


class ActIn(BaseModel):
    reason: str = Field(default="", max_length=500)


class HaltIn(ActIn):
    committed: CommittedDevices = CommittedDevices.KEEP


class RetryIn(ActIn):
    devices: list[Annotated[str, Field(max_length=64)]] = Field(default_factory=list, max_length=10_000)


@router.post("/plan")
def plan(request: Request, body: OrderIn, who: Planner) -> PlanOut:
    """Say who would get it when, and who is left out and why; changes nothing."""
    state = state_of(request)
    _check(request, who, body)
    with state.db.read() as session:
        planned = state.rollouts.plan(session, _order(body))
        soak_s = state.releases.soak_s(planned.digests) if planned.policy.limits.window else 0.0
        return views.plan_out(session, planned, db.utc_now(), soak_s)


@router.post("/forecast")
def forecast(request: Request, body: QuestionIn, who: Planner) -> Forecast:
    """How long it would take, how many would run a bad release at worst, how likely verdicts are wrong."""
    state = state_of(request)
    _check(request, who, body)
    with state.db.read() as session:
        planned = state.rollouts.plan(session, _order(body))
        return forecasting.foretell(session, planned, body.assumptions, body.runs, db.utc_now())


@router.post("", status_code=201)
def start(request: Request, body: OrderIn, who: Starter) -> RolloutOut:
    _check(request, who, body)
    rollout_id = state_of(request).rollouts.start(_order(body), who.name, db.utc_now())
    return _shown(request, rollout_id)


@router.get("")
def list_rollouts(
    request: Request, _who: Anywhere, page: Annotated[Page, Depends(pages(50, 1000))]
) -> list[RolloutLine]:
    """The newest first, by counts alone: how each phase stands is in the view of one."""
    with state_of(request).db.read() as session:
        rows = page.cut(repository.rollouts(session, page.limit + 1, page.number), lambda each: each.number)
        now, unsignable = db.utc_now(), state_of(request).rollouts.unsignable
        unsigned = {component: unsignable(component, now) for row in rows for component in row.components}
        return listing.lines(session, rows, unsigned)


@router.get("/{rollout_id}")
def show(request: Request, rollout_id: str, _who: Viewer) -> RolloutOut:
    return _shown(request, rollout_id)


@router.get("/{rollout_id}/members")
def members(request: Request, rollout_id: str, _who: Viewer, page: Paged) -> list[MemberOut]:
    """Every device that the rollout knows: members, satisfied and excluded ones, each with its reason."""
    with state_of(request).db.read() as session:
        repository.rollout(session, rollout_id)
        rows = repository.members_after(session, rollout_id, page.text, page.limit + 1)
        return views.members_shown(session, page.cut(rows, lambda each: each.device_id))


@router.get("/{rollout_id}/decisions")
def decisions(
    request: Request, rollout_id: str, _who: Viewer, page: Annotated[Page, Depends(pages(200))]
) -> list[DecisionOut]:
    """What the engine decided and people did, the newest first."""
    with state_of(request).db.read() as session:
        repository.rollout(session, rollout_id)
        rows = repository.decisions(session, rollout_id, page.limit + 1, page.number)
        rows = page.cut(rows, lambda each: each.id or 0)
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


@router.get("/{rollout_id}/revert")
def revert_forecast(request: Request, rollout_id: str, _who: Viewer) -> ForecastOut:
    """What a revert would do: who returns without a download, who must fetch, who cannot and why."""
    state = state_of(request)
    with state.db.read() as session:
        return views.forecast_out(state.rollouts.revert_forecast(session, rollout_id))


@router.post("/{rollout_id}/approve")
def approve(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    """Say yes to the rollout, or to its next phase, that waits for approval."""
    state_of(request).rollouts.approve(rollout_id, who, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/reject")
def reject(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    """Say no: the rollout is cancelled."""
    state_of(request).rollouts.reject(rollout_id, who, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/retry")
def retry(request: Request, rollout_id: str, body: RetryIn, who: Operator) -> RolloutOut:
    """Let devices whose attempt failed have their turn again; all of them unless some are named."""
    state_of(request).rollouts.retry(rollout_id, who.name, db.utc_now(), body.reason, body.devices)
    return _shown(request, rollout_id)


@router.post("/{rollout_id}/cancel")
def cancel(request: Request, rollout_id: str, body: ActIn, who: Operator) -> RolloutOut:
    state_of(request).rollouts.cancel(rollout_id, who.name, db.utc_now(), body.reason)
    return _shown(request, rollout_id)


def _shown(request: Request, rollout_id: str) -> RolloutOut:
    state, now = state_of(request), db.utc_now()
    with state.db.read() as session:
        row = repository.rollout(session, rollout_id)
        return views.rollout_out(session, row, now, state.rollouts.unsignable_of(row, now))


def _check(request: Request, who: Principal, body: OrderIn) -> None:
    """Whoever has a role in a scope orders within it."""
    if who.reach is None:
        return
    state = state_of(request)
    with state.db.read(whole=True) as session:
        releases, cohort = state.rollouts.meant(session, _order(body))
    for each in releases:
        check_release(who, each)
    check_cohort(request, who, cohort)


def _order(body: OrderIn) -> Order:
    return Order(body.policy, body.release, body.cohort, body.salt, body.lift_halt, body.accept_blind, tuple(body.also))
