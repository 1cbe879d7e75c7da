"""Flags, advisories and hooks over HTTP; a hook's address is the one route that asks for no token of ours."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from surefoot_server import db
from surefoot_server.access.guard import open_route, require
from surefoot_server.access.orders import check_device
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.feedback import repository
from surefoot_server.feedback.hooks import Act, Made, Order
from surefoot_server.feedback.models import Advisory, Flag, Hook
from surefoot_server.notify.signing import Signed
from surefoot_server.paging import Paged, RowId
from surefoot_server.rollouts.triggers import Do
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid

router = APIRouter(prefix="/api/v1", tags=["feedback"])
Flagger = Annotated[Principal, Depends(require(Role.OPERATOR, Over.DEVICE))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Withdrawer = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ORDER))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
CALLED = Depends(
    open_route("its address is a secret, or its calls are signed with one, for one act on one release or rollout")
)
CALL_BYTES = 256 << 10
"""A large document of a monitoring system; anybody may send one, so no more of it is read."""
DAY_S, YEAR_S = 86_400.0, 31_536_000.0


class ReasonIn(BaseModel):
    reason: str = Field(min_length=1, max_length=500)


class AdvisoryIn(ReasonIn):
    do: Do = Do.HALT
    reference: str = Field(default="", max_length=200)


class HookIn(BaseModel):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    do: Act
    release: str | None = Field(default=None, max_length=100)
    rollout: str | None = Field(default=None, max_length=16)
    valid_s: float = Field(default=90 * DAY_S, ge=60, le=YEAR_S)
    signed: bool = Field(default=False, description="Whether each call must be signed as Standard Webhooks says")
    secret: str = Field(default="", max_length=200, description="`whsec_…`, where the other system made it")


class RotateIn(BaseModel):
    """`overlap_s`: how long the secrets before go on to count; 0 ends them at once."""

    overlap_s: float = Field(default=DAY_S, ge=0, le=30 * DAY_S)
    secret: str = Field(default="", max_length=200, description="`whsec_…`, where the other system made it")


class CallIn(BaseModel):
    """What a hook is told; unknown fields are ignored, so a monitoring system may send its own document."""

    reason: str = Field(default="called", max_length=400)
    device: str | None = Field(default=None, max_length=64)


_BODY = {"required": False, "content": {"application/json": {"schema": CallIn.model_json_schema()}}}


class FlagOut(BaseModel):
    id: int
    at: datetime
    by: str
    source: str
    device: str | None
    release: str | None
    reason: str
    withdrawn_at: datetime | None
    withdrawn_by: str


class AdvisoryOut(BaseModel):
    """`devices` run the release; `stopped` are the rollouts that this stopped."""

    id: int
    at: datetime
    by: str
    release: str
    reference: str
    reason: str
    do: str
    withdrawn_at: datetime | None
    devices: list[str]
    stopped: list[str]


class HookOut(BaseModel):
    id: str
    name: str
    do: str
    release: str | None
    rollout: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None
    uses: int
    signed: bool


class NewHook(HookOut):
    """`path` is the whole address below the server's own; what is secret of it is shown this once."""

    path: str
    secret: str = Field(
        description="To sign calls with, shown this once; empty where it was given or nothing is signed"
    )


class CallOut(BaseModel):
    """`again`: this signed message came before, and nothing more was done."""

    did: str
    stopped: list[str]
    again: bool = False


@router.post("/devices/{device_id}/flag", status_code=201)
def flag_device(request: Request, device_id: str, body: ReasonIn, who: Flagger) -> list[FlagOut]:
    """Say that something is wrong with a device: it counts against the releases that it runs."""
    feedback = state_of(request).feedback
    return [_flag(row) for row in feedback.flag_device(device_id, body.reason, who.name, "operator", db.utc_now())]


@router.post("/releases/{component}/{version}/flag", status_code=201)
def flag_release(request: Request, component: str, version: str, body: ReasonIn, who: Operator) -> FlagOut:
    release = f"{component}/{version}"
    return _flag(state_of(request).feedback.flag_release(release, body.reason, who.name, "operator", db.utc_now()))


@router.get("/flags")
def list_flags(request: Request, _who: Viewer, page: Paged, withdrawn: bool = False) -> list[FlagOut]:
    """Flags that stand, the newest first; with `withdrawn` all."""
    with state_of(request).db.read() as session:
        return page.of(
            [_flag(row) for row in repository.flags(session, standing=not withdrawn)],
            lambda each: each.id,
            newest_first=True,
        )


@router.post("/flags/{flag_id}/withdraw")
def withdraw_flag(request: Request, flag_id: RowId, who: Withdrawer) -> FlagOut:
    """Take a flag back; one against a release as a whole counts everywhere, and needs the role over the fleet."""
    with state_of(request).db.read(whole=True) as session:
        row = session.get(Flag, flag_id)
    check_device(who, (row.device_id if row is not None else None) or f"of flag {flag_id}")
    return _flag(state_of(request).feedback.withdraw_flag(flag_id, who.name, db.utc_now()))


@router.post("/releases/{component}/{version}/advisory", status_code=201)
def advise(request: Request, component: str, version: str, body: AdvisoryIn, who: Operator) -> AdvisoryOut:
    """Stop the release's rollouts and name who runs it."""
    release, feedback = f"{component}/{version}", state_of(request).feedback
    found = feedback.advise(release, body.do, body.reason, body.reference, who.name, db.utc_now())
    return _advisory(found.advisory, list(found.devices), list(found.stopped))


@router.get("/advisories")
def list_advisories(request: Request, _who: Viewer, page: Paged) -> list[AdvisoryOut]:
    with state_of(request).db.read() as session:
        rows = repository.advisories(session, standing=False)
        return page.of(
            [_advisory(row, repository.running(session, row.release_id), []) for row in rows],
            lambda each: each.id,
            newest_first=True,
        )


@router.post("/advisories/{advisory_id}/withdraw")
def withdraw_advisory(request: Request, advisory_id: RowId, who: Operator) -> AdvisoryOut:
    state = state_of(request)
    row = state.feedback.withdraw_advisory(advisory_id, who.name, db.utc_now())
    with state.db.read() as session:
        return _advisory(row, repository.running(session, row.release_id), [])


@router.post("/hooks", status_code=201)
def create_hook(request: Request, body: HookIn, who: Operator) -> NewHook:
    """Make an address for another system; its secret is in this answer and nowhere else."""
    order = Order(body.name, body.do, body.release, body.rollout, body.valid_s, body.signed, body.secret)
    return _made(state_of(request).hooks.create(order, who.name, db.utc_now()))


@router.get("/hooks")
def list_hooks(request: Request, _who: Operator, page: Paged) -> list[HookOut]:
    with state_of(request).db.read() as session:
        return page.of(
            [_hook(row) for row in repository.hooks(session)],
            lambda each: f"{each.created_at.isoformat()} {each.id}",
            newest_first=True,
        )


@router.post("/hooks/{hook_id}/rotate", status_code=201)
def rotate_hook(request: Request, hook_id: str, body: RotateIn, who: Operator) -> NewHook:
    """Give a signed hook another secret; those before count for a while longer, so that no call is lost."""
    return _made(state_of(request).hooks.rotate(hook_id, body.overlap_s, body.secret, who.name, db.utc_now()))


@router.post("/hooks/{hook_id}/revoke")
def revoke_hook(request: Request, hook_id: str, who: Operator) -> HookOut:
    return _hook(state_of(request).hooks.revoke(hook_id, who.name, db.utc_now()))


async def _heard(request: Request) -> Signed:
    """What a call brings, counted before it is read and never read without an end."""
    state_of(request).hooks.admit(request.client.host if request.client else "", time.monotonic())
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > CALL_BYTES:
            raise Invalid("too_large", f"A call of a hook has at most {CALL_BYTES} bytes.")
    told = request.headers
    return Signed(
        told.get("webhook-id", ""), told.get("webhook-timestamp", ""), told.get("webhook-signature", ""), bytes(raw)
    )


@router.post("/hooks/{token}", dependencies=[CALLED], openapi_extra={"requestBody": _BODY})
def call(request: Request, token: str, heard: Annotated[Signed, Depends(_heard)]) -> CallOut:
    """Called by another system, or by a user's report: flags, holds, halts or reverts what the address is about."""
    try:
        said = CallIn.model_validate_json(heard.body) if heard.body.strip() else CallIn()
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error
    done = state_of(request).hooks.called(token, said.device, said.reason, db.utc_now(), heard)
    return CallOut(did=done.hook.do, stopped=list(done.stopped), again=done.again)


def _flag(row: Flag) -> FlagOut:
    return FlagOut(
        id=row.id or 0,
        at=row.at,
        by=row.by,
        source=row.source,
        device=row.device_id,
        release=row.release_id,
        reason=row.reason,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
    )


def _advisory(row: Advisory, devices: list[str], stopped: list[str]) -> AdvisoryOut:
    return AdvisoryOut(
        id=row.id or 0,
        at=row.at,
        by=row.by,
        release=row.release_id,
        reference=row.reference,
        reason=row.reason,
        do=row.do,
        withdrawn_at=row.withdrawn_at,
        devices=devices,
        stopped=stopped,
    )


def _hook(row: Hook) -> HookOut:
    same = {name: getattr(row, name) for name in HookOut.model_fields if name not in ("release", "rollout")}
    return HookOut(**same, release=row.release_id, rollout=row.rollout_id)


def _made(made: Made) -> NewHook:
    return NewHook(**_hook(made.hook).model_dump(), path=f"/api/v1/hooks/{made.token}", secret=made.secret)
