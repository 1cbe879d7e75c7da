"""Drills: rehearsals of going back, how long each device took, and when the next is due."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.orders import own_cohort
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.cohorts import service as cohorts
from surefoot_server.console import frame, times
from surefoot_server.console.navigation import Entry
from surefoot_server.drills import api as drills
from surefoot_server.drills.api import LAB, DrillOut
from surefoot_server.drills.service import plan
from surefoot_server.languages.catalogue import N_
from surefoot_server.paging import RowId
from surefoot_server.releases import repository as releases
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
ENTRY = Entry("/drills", N_("Drills"), "drills", "i")
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.ORDER))]
Stopper = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.SCHEDULE))]
Component = Annotated[str, Form(min_length=1, max_length=32)]
Cohort = Annotated[str, Form(min_length=1, max_length=4000)]
HOUR_S, DAY_S = 3600.0, 86_400.0


Devices = Annotated[int | None, Form(ge=0)]
"""Of the confirmation that was read; None before there was one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for and is not confirmed yet; `days` of a schedule, `others` belong to it and cannot take part."""

    component: str
    cohort: str
    devices: int
    others: int = 0
    days: float | None = None


@router.get("/drills")
def show(request: Request, who: Viewer) -> HTMLResponse:
    return _page(request, who, None)


def _page(request: Request, who: Principal, asked: Asked | None) -> HTMLResponse:
    state, say = state_of(request), frame.language_of(request)
    with state.db.read() as session:
        found = drills.newest(session)
        schedules = [row for row in drills.all_schedules(session) if row.stopped_at is None]
        components = releases.components(session)
        lab = len(cohorts.devices(session, cohorts.resolve(session, LAB).expression))
    return frame.show(
        request,
        "drills.html",
        who,
        asked=asked,
        drills=found,
        schedules=schedules,
        lab=lab,
        lab_cohort=LAB,
        components=components,
        recovery=recovery_s,
        span=lambda seconds: times.span(seconds, say),
    )


@router.post("/drills")
def run(
    request: Request, who: Operator, component: Component, cohort: Cohort = LAB, devices: Devices = None
) -> Response:
    """Begin once somebody read how many devices go back to their release before, and forward again."""
    frame.own_form(request)
    cohort = own_cohort(who, cohort)
    with state_of(request).db.read() as session:
        plans = plan(session, component, cohort)
    able = sum(not each.skipped for each in plans)
    if able and devices != able:
        return _page(request, who, Asked(component, cohort, able, len(plans) - able))
    state_of(request).drills.run(component, cohort, HOUR_S, who.name, db.utc_now())
    return RedirectResponse("/drills", 303)


@router.post("/drills/schedules")
def schedule(
    request: Request,
    who: Operator,
    component: Component,
    cohort: Cohort = LAB,
    days: Annotated[float, Form(gt=0, le=365)] = 7.0,
    devices: Devices = None,
) -> Response:
    frame.own_form(request)
    cohort = own_cohort(who, cohort)
    with state_of(request).db.read() as session:
        members = len(cohorts.devices(session, cohorts.resolve(session, cohort).expression))
    if devices != members:
        return _page(request, who, Asked(component, cohort, members, days=days))
    state_of(request).drills.schedule(component, cohort, days * DAY_S, HOUR_S, who.name, db.utc_now())
    return RedirectResponse("/drills", 303)


@router.post("/drills/schedules/{schedule_id}/stop")
def stop(request: Request, schedule_id: RowId, who: Stopper) -> Response:
    frame.own_form(request)
    state_of(request).drills.unschedule(schedule_id, who.name, db.utc_now())
    return RedirectResponse("/drills", 303)


def recovery_s(drill: DrillOut) -> float | None:
    """How long a device of the drill usually took to be back on its release before; None where none was."""
    taken = [device.revert_s for device in drill.devices if device.revert_s is not None]
    return median(taken) if taken else None
