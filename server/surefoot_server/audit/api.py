"""The audit trail over HTTP: read and verify; what is here adds checkpoints and changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import search, service
from surefoot_server.audit.search import Form, Question
from surefoot_server.paging import GREATEST, Page, pages
from surefoot_server.state import state_of
from surefoot_shared.errors import Conflict

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]


MEDIA_TYPES = {Form.CSV: "text/csv; charset=utf-8", Form.JSONL: "application/jsonl"}


def question(
    object: Annotated[str, Query(max_length=200, description="kind:id such as rollout:7f3a, or a kind alone")] = "",
    actor: Annotated[str, Query(max_length=80, description="Who did it")] = "",
    action: Annotated[str, Query(max_length=80, description="One act such as rollout.halt, or all of a rollout")] = "",
    text: Annotated[str, Query(max_length=200, description="Text in the detail")] = "",
    since: Annotated[AwareDatetime | None, Query(description="From this moment on")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment")] = None,
) -> Question:
    """Dependency: which entries are asked for."""
    return Question(object, actor, action, text, since, until)


Asked = Annotated[Question, Depends(question)]


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


class CheckpointOut(BaseModel):
    """`signature` is over size, head and time with `key`, the server's audit key."""

    size: int
    head: str
    at: str
    signature: str
    key: str
    v: int = 1


@router.get("")
def list_entries(
    request: Request,
    _who: Anywhere,
    asked: Asked,
    page: Annotated[Page, Depends(pages(200, 1000))],
    before: Annotated[int | None, Query(ge=1, le=GREATEST)] = None,
) -> list[EntryOut]:
    """The newest first; with a role in a scope, what is about its devices, rollouts, cohorts, channels and drills."""
    with state_of(request).db.read() as session:
        rows = search.page(session, asked, page.limit + 1, page.number or before)
        rows = page.cut(rows, lambda each: each.seq)
        return [EntryOut(**{name: getattr(row, name) for name in EntryOut.model_fields}) for row in rows]


@router.get("/export")
def export(request: Request, _who: Anywhere, asked: Asked, form: Form = Form.JSONL) -> StreamingResponse:
    """All that are found, the oldest first, with the hashes that chain them; CSV for a spreadsheet, else JSON lines."""
    headers = {"Content-Disposition": f'attachment; filename="audit.{form.value}"'}
    pieces = search.written(state_of(request).db.read, asked, form)
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[form], headers=headers)


@router.post("/checkpoints", status_code=201)
def checkpoint(request: Request, _who: Operator) -> CheckpointOut:
    """Sign where the trail stands, to be kept where this server cannot reach it."""
    checkpoints = state_of(request).checkpoints
    made = checkpoints.make(db.utc_now())
    if made is None:
        raise Conflict("conflict", "The audit trail has no row yet.")
    return CheckpointOut(
        size=made.size, head=made.head, at=made.at, signature=made.signature, key=checkpoints.public_key()
    )


@router.get("/verify")
def verify(request: Request, _who: Viewer) -> VerificationOut:
    """Walk the whole chain. Only a checkpoint kept elsewhere shows that the newest rows were cut off."""
    with state_of(request).db.read() as session:
        result = service.verify(session)
    return VerificationOut(
        whole=result.whole, rows=result.rows, head=result.head, broken_at=result.broken_at, problem=result.problem
    )
