"""Saved policies over HTTP: list and show; they are changed by the fleet's document (`surefoot apply`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.paging import Paged
from surefoot_server.policies import service
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/policies", tags=["policies"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]


class PolicyOut(BaseModel):
    name: str
    text: str
    changed_at: datetime
    changed_by: str


@router.get("")
def list_policies(request: Request, _who: Viewer, page: Paged) -> list[PolicyOut]:
    with state_of(request).db.read() as session:
        return page.of(
            [PolicyOut.model_validate(row, from_attributes=True) for row in service.saved(session)],
            lambda each: each.name,
        )


@router.get("/{name}")
def show(request: Request, name: str, _who: Viewer) -> PolicyOut:
    with state_of(request).db.read() as session:
        return PolicyOut.model_validate(service.get(session, name), from_attributes=True)
