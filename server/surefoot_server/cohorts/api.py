"""Cohorts over HTTP: create, list, show who belongs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import own_cohort
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.cohorts import service
from surefoot_server.cohorts.models import Cohort
from surefoot_server.paging import Paged
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/cohorts", tags=["cohorts"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Looker = Annotated[Principal, Depends(require(Role.VIEWER, Over.COHORT))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ORDER))]


class CohortIn(BaseModel):
    name: str = Field(max_length=64)
    expression: str = Field(max_length=4000)


class CohortOut(BaseModel):
    name: str
    expression: str
    devices: int
    created_at: datetime
    created_by: str


class CohortDetail(CohortOut):
    members: list[str]


@router.post("", status_code=201)
def create_cohort(request: Request, body: CohortIn, who: Operator) -> CohortOut:
    """Save an expression under a name; of whoever has a role in scopes it means the devices there."""
    expression = own_cohort(who, body.expression)
    with state_of(request).db.write() as session:
        return _out(session, service.create(session, body.name, expression, who.name, db.utc_now()))


@router.get("")
def list_cohorts(request: Request, _who: Viewer, page: Paged) -> list[CohortOut]:
    with state_of(request).db.read() as session:
        return page.of([_out(session, row) for row in service.all_cohorts(session)], lambda each: each.name)


@router.get("/{name}")
def show_cohort(request: Request, name: str, _who: Looker) -> CohortDetail:
    with state_of(request).db.read() as session:
        row = service.get(session, name)
        return CohortDetail(**_out(session, row).model_dump(), members=service.devices(session, row.expression))


def _out(session: Session, row: Cohort) -> CohortOut:
    return CohortOut(
        name=row.name,
        expression=row.expression,
        devices=len(service.devices(session, row.expression)),
        created_at=row.created_at,
        created_by=row.created_by,
    )
