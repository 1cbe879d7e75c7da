"""Drills over HTTP: run one, schedule it, look at what was measured."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import own_cohort
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.drills.models import Drill, DrillDevice, DrillSchedule
from surefoot_server.paging import Page, Paged, RowId, pages
from surefoot_server.state import state_of
from surefoot_shared.errors import NotFound

router = APIRouter(prefix="/api/v1/drills", tags=["drills"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.DRILL))]
Starter = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ORDER))]
Stopper = Annotated[Principal, Depends(require(Role.OPERATOR, Over.SCHEDULE))]
LAB = "tag('lab')"


class DrillIn(BaseModel):
    component: str = Field(default="app", max_length=32)
    cohort: str = Field(default=LAB, min_length=1, max_length=4000)
    limit_s: float = Field(default=3600, ge=1, le=604_800)


class ScheduleIn(DrillIn):
    every_s: float = Field(ge=60, le=31_536_000)


class DrillDeviceOut(BaseModel):
    """`revert_s` and `apply_s`: from the order to the commit, as the device reported them."""

    device: str
    step: str
    reason: str
    release: str | None
    previous: str | None
    revert_s: float | None
    apply_s: float | None


class DrillOut(BaseModel):
    id: str
    component: str
    cohort: str
    limit_s: float
    state: str
    reason: str
    started_at: datetime
    started_by: str
    ended_at: datetime | None
    devices: list[DrillDeviceOut]


class ScheduleOut(BaseModel):
    id: int
    component: str
    cohort: str
    every_s: float
    limit_s: float
    next_at: datetime
    stopped_at: datetime | None


@router.post("", status_code=201)
def run(request: Request, body: DrillIn, who: Starter) -> DrillOut:
    """Begin at once: each device goes back to its release before, and forward again."""
    state = state_of(request)
    drill = state.drills.run(body.component, own_cohort(who, body.cohort), body.limit_s, who.name, db.utc_now())
    with state.db.read() as session:
        return _out(session, drill)


@router.get("")
def list_drills(request: Request, _who: Anywhere, page: Annotated[Page, Depends(pages(100))]) -> list[DrillOut]:
    """The newest first."""
    with state_of(request).db.read() as session:
        query = select(Drill).order_by(col(Drill.number).desc()).limit(page.limit + 1)
        rows = session.exec(query if page.number is None else query.where(Drill.number < page.number)).all()
        return [_out(session, row.id) for row in page.cut(rows, lambda each: each.number)]


@router.post("/schedules", status_code=201)
def schedule(request: Request, body: ScheduleIn, who: Starter) -> ScheduleOut:
    cohort = own_cohort(who, body.cohort)
    made = state_of(request).drills.schedule(body.component, cohort, body.every_s, body.limit_s, who.name, db.utc_now())
    return _schedule(made)


@router.get("/schedules")
def schedules(request: Request, _who: Anywhere, page: Paged) -> list[ScheduleOut]:
    with state_of(request).db.read() as session:
        return page.of(all_schedules(session), lambda each: each.id)


@router.post("/schedules/{schedule_id}/stop")
def unschedule(request: Request, schedule_id: RowId, who: Stopper) -> ScheduleOut:
    return _schedule(state_of(request).drills.unschedule(schedule_id, who.name, db.utc_now()))


@router.get("/{drill_id}")
def show(request: Request, drill_id: str, _who: Viewer) -> DrillOut:
    with state_of(request).db.read() as session:
        return _out(session, drill_id)


def newest(session: Session) -> list[DrillOut]:
    ids = session.exec(select(Drill.id).order_by(col(Drill.number).desc()).limit(100)).all()
    return [_out(session, drill) for drill in ids]


def all_schedules(session: Session) -> list[ScheduleOut]:
    return [_schedule(row) for row in session.exec(select(DrillSchedule).order_by(col(DrillSchedule.id)))]


def _out(session: Session, drill_id: str) -> DrillOut:
    row = session.get(Drill, drill_id)
    if row is None:
        raise NotFound("not_found", f"There is no drill {drill_id!r}.", "`surefoot drill list` shows all.")
    query = select(DrillDevice).where(DrillDevice.drill_id == drill_id).order_by(DrillDevice.device_id)
    same = {name: getattr(row, name) for name in DrillOut.model_fields if name != "devices"}
    return DrillOut(**same, devices=[_device(d) for d in session.exec(query)])


def _device(row: DrillDevice) -> DrillDeviceOut:
    return DrillDeviceOut(
        device=row.device_id,
        step=row.step,
        reason=row.reason,
        release=row.release_id,
        previous=row.previous_release_id,
        revert_s=row.revert_s,
        apply_s=row.apply_s,
    )


def _schedule(row: DrillSchedule) -> ScheduleOut:
    same = {name: getattr(row, name) for name in ScheduleOut.model_fields if name != "id"}
    return ScheduleOut(id=row.id or 0, **same)
