"""Enrolment over HTTP: one route for nodes on the devices' listener, the rest for operators.

A node has no identity yet, so its route asks for no API token: the enrolment token in its body is the permission.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import open_route, require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import service as audit
from surefoot_server.enrolment import repository
from surefoot_server.enrolment.models import Enrolment, EnrolToken
from surefoot_server.enrolment.service import TokenWish
from surefoot_server.paging import Paged
from surefoot_server.pki.chain import CHAIN_BYTES
from surefoot_server.state import state_of
from surefoot_shared.enrolment import EnrolRequest
from surefoot_shared.errors import NotAllowed, Unreachable
from surefoot_shared.messages import Sealed

device_router = APIRouter(prefix="/api/v1", tags=["enrolment"])
router = APIRouter(prefix="/api/v1", tags=["enrolment"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]


class EnrolIn(BaseModel):
    device: str = Field(max_length=64)
    hw: str = Field(max_length=64)
    token: str = Field(default="", max_length=128)
    csr: str = Field(max_length=8192)
    chain: str = Field(default="", max_length=CHAIN_BYTES)
    v: Literal[1] = 1


class SealedIn(BaseModel):
    payload: str = Field(max_length=16_384)
    signature: str = Field(max_length=256)
    v: Literal[1] = 1


class RenewOut(BaseModel):
    device: str
    certificate: str
    ca: str
    v: Literal[1] = 1


class MqttOut(BaseModel):
    host: str
    port: int
    protocol: int


class EnrolOut(BaseModel):
    device: str
    certificate: str
    mqtt: MqttOut
    v: Literal[1] = 1
    ca: str = ""


class PendingOut(BaseModel):
    device: str
    state: Literal["pending"] = "pending"
    v: Literal[1] = 1


class TokenIn(BaseModel):
    valid_s: float = Field(default=86_400.0, gt=0, le=31_536_000)
    max_uses: int = Field(default=1, ge=1, le=100_000)
    auto_approve: bool = False
    device: str | None = Field(default=None, max_length=64)
    replace: bool = False
    hw: str | None = Field(default=None, max_length=64)
    attributes: dict[str, str] = Field(default_factory=dict, max_length=50)
    tags: list[str] = Field(default_factory=list, max_length=50)


class TokenOut(BaseModel):
    id: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    max_uses: int
    uses: int
    auto_approve: bool
    device: str | None
    replace: bool
    hw: str | None
    attributes: dict[str, str]
    tags: list[str]


class NewToken(TokenOut):
    token: str


class EnrolmentOut(BaseModel):
    device: str
    hw: str
    way: str
    fingerprint: str
    state: str
    requested_at: datetime
    decided_at: datetime | None
    decided_by: str


@device_router.post(
    "/enrol",
    status_code=201,
    dependencies=[
        Depends(open_route("the token, registered key or factory certificate in the body is the permission"))
    ],
    responses={202: {"model": PendingOut}},
)
def enrol(request: Request, body: EnrolIn, response: Response) -> EnrolOut | PendingOut:
    asked = EnrolRequest(body.device, body.hw, body.token, body.csr, chain=body.chain)
    state = state_of(request)
    try:
        _limit(request, body.device)
        with state.db.write() as session:
            enrolled = state.enrolment.enrol(session, asked, db.utc_now())
    except (NotAllowed, Unreachable) as error:
        _note(request, body.device, error)
        raise
    if enrolled is None:
        response.status_code = 202
        return PendingOut(device=body.device)
    mqtt = MqttOut(host=enrolled.mqtt.host, port=enrolled.mqtt.port, protocol=enrolled.mqtt.protocol)
    return EnrolOut(device=enrolled.device, certificate=enrolled.certificate, mqtt=mqtt, ca=enrolled.ca)


@device_router.post(
    "/renew",
    status_code=201,
    dependencies=[Depends(open_route("the signature of the device's key in the body is the permission"))],
    responses={202: {"model": PendingOut}},
)
def renew(request: Request, body: SealedIn, response: Response) -> RenewOut | PendingOut:
    """A certificate for a device's next key, or 202 where it was away so long that a person has to approve."""
    _limit(request)
    state = state_of(request)
    with state.db.write() as session:
        answer = state.enrolment.renew(session, Sealed(body.payload, body.signature), db.utc_now())
    if answer.refused:
        raise NotAllowed(
            "enrolment_refused", answer.refused, "An administrator can let it in: `surefoot device replace`."
        )
    if answer.renewed is None:
        response.status_code = 202
        return PendingOut(device=answer.device)
    return RenewOut(device=answer.device, certificate=answer.renewed.certificate, ca=answer.renewed.ca)


@router.post("/enrol-tokens", status_code=201)
def create_token(request: Request, body: TokenIn, who: Operator) -> NewToken:
    if body.replace and not who.role.includes(Role.ADMIN):
        raise NotAllowed("not_allowed", "Only an administrator may let a device come back with a new key.")
    state = state_of(request)
    fields = body.model_dump(exclude={"device"})
    with state.db.write() as session:
        row, text = state.enrolment.create_token(
            session, TokenWish(**fields, device_id=body.device), who.name, db.utc_now()
        )
        return NewToken(**_token_out(row).model_dump(), token=text)


@router.get("/enrol-tokens")
def list_tokens(request: Request, _who: Operator, page: Paged) -> list[TokenOut]:
    with state_of(request).db.read() as session:
        return page.of(
            [_token_out(row) for row in repository.tokens(session)],
            lambda each: f"{each.created_at.isoformat()} {each.id}",
            newest_first=True,
        )


@router.delete("/enrol-tokens/{token_id}")
def revoke_token(request: Request, token_id: str, who: Operator) -> TokenOut:
    state = state_of(request)
    with state.db.write() as session:
        return _token_out(state.enrolment.revoke_token(session, token_id, who.name, db.utc_now()))


@router.get("/enrolments")
def list_enrolments(request: Request, _who: Viewer, page: Paged, state: str | None = None) -> list[EnrolmentOut]:
    with state_of(request).db.read() as session:
        return page.of(
            [_enrolment_out(row) for row in repository.enrolments(session, state)],
            lambda each: f"{each.requested_at.isoformat()} {each.device}",
        )


@router.post("/enrolments/{device_id}/approve")
def approve(request: Request, device_id: str, who: Operator) -> EnrolmentOut:
    state = state_of(request)
    with state.db.write() as session:
        return _enrolment_out(state.enrolment.decide(session, device_id, True, who.name, db.utc_now()))


@router.post("/enrolments/{device_id}/refuse")
def refuse(request: Request, device_id: str, who: Operator) -> EnrolmentOut:
    state = state_of(request)
    with state.db.write() as session:
        return _enrolment_out(state.enrolment.decide(session, device_id, False, who.name, db.utc_now()))


def _limit(request: Request, device: str = "") -> None:
    """Raise Unreachable(busy) where an address, or anybody for one name, asks too often."""
    state_of(request).enrolling.take(_address(request), device, time.monotonic())


def _note(request: Request, device: str, error: NotAllowed | Unreachable) -> None:
    """Audit who was not let in, once an hour for each address: names are free to choose."""
    act = "enrolment.refused" if isinstance(error, NotAllowed) else "enrolment.limited"
    detail = {"device": device, "reason": error.message}
    with state_of(request).db.write() as session:
        audit.record_seldom(session, "server", act, f"address:{_address(request)}", detail, db.utc_now())


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _token_out(row: EnrolToken) -> TokenOut:
    fields = {name: getattr(row, name) for name in TokenOut.model_fields if name != "device"}
    return TokenOut(**fields, device=row.device_id)


def _enrolment_out(row: Enrolment) -> EnrolmentOut:
    fields = {name: getattr(row, name) for name in EnrolmentOut.model_fields if name != "device"}
    return EnrolmentOut(**fields, device=row.device_id)
