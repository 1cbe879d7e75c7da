"""The audit trail over HTTP: read and verify; nothing here writes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import service
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]


class EntryOut(BaseModel):
    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    previous: str
    hash: str


class VerificationOut(BaseModel):
    whole: bool
    rows: int
    head: str
    broken_at: int | None
    problem: str


@router.get("")
def list_entries(
    request: Request,
    _who: Viewer,
    object: Annotated[str, Query(max_length=200, description="kind:id, such as rollout:7f3a")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> list[EntryOut]:
    """The newest first."""
    with state_of(request).db.read() as session:
        rows = service.entries(session, object or None, limit, before)
        return [EntryOut(**{name: getattr(row, name) for name in EntryOut.model_fields}) for row in rows]


@router.get("/verify")
def verify(request: Request, _who: Viewer) -> VerificationOut:
    """Walk the whole chain. Note `rows` and `head` elsewhere: only they show that the newest rows were cut off."""
    with state_of(request).db.read() as session:
        result = service.verify(session)
    return VerificationOut(
        whole=result.whole, rows=result.rows, head=result.head, broken_at=result.broken_at, problem=result.problem
    )
