"""Permissions to enrol that need no token, over HTTP: keys known beforehand and manufacturers' authorities.

Both let a node in without a secret, so an administrator registers an authority; a single key is an operator's matter.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.enrolment import repository
from surefoot_server.enrolment.models import FactoryCa, PreauthorisedKey
from surefoot_server.enrolment.service import Gift
from surefoot_server.paging import Paged
from surefoot_server.pki.chain import CHAIN_BYTES
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1", tags=["enrolment"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]


class GiftIn(BaseModel):
    hw: str | None = Field(default=None, max_length=64)
    attributes: dict[str, str] = Field(default_factory=dict, max_length=50)
    tags: list[str] = Field(default_factory=list, max_length=50)

    @property
    def gift(self) -> Gift:
        return Gift(self.hw, self.attributes, self.tags)


class KnownKeyIn(GiftIn):
    device: str = Field(max_length=64)
    key_sha256: str = Field(max_length=64)


class KnownKeyOut(BaseModel):
    device: str
    key_sha256: str
    hw: str | None
    attributes: dict[str, str]
    tags: list[str]
    created_at: datetime
    created_by: str
    used_at: datetime | None


class FactoryIn(GiftIn):
    name: str = Field(min_length=1, max_length=100)
    certificate: str = Field(max_length=CHAIN_BYTES)
    auto_approve: bool = False


class FactoryOut(BaseModel):
    id: str
    name: str
    auto_approve: bool
    hw: str | None
    attributes: dict[str, str]
    tags: list[str]
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


@router.post("/preauthorised", status_code=201)
def preauthorise(request: Request, body: KnownKeyIn, who: Operator) -> KnownKeyOut:
    state = state_of(request)
    with state.db.write() as session:
        row = state.enrolment.preauthorise(session, body.device, body.key_sha256, body.gift, who.name, db.utc_now())
        return _key_out(row)


@router.get("/preauthorised")
def list_preauthorised(request: Request, _who: Viewer, page: Paged) -> list[KnownKeyOut]:
    with state_of(request).db.read() as session:
        return page.of([_key_out(row) for row in repository.preauthorised(session)], lambda each: each.device)


@router.post("/factory-cas", status_code=201)
def add_factory(request: Request, body: FactoryIn, who: Admin) -> FactoryOut:
    state = state_of(request)
    with state.db.write() as session:
        row = state.enrolment.add_factory(
            session, body.name, body.certificate.encode(), body.auto_approve, body.gift, who.name, db.utc_now()
        )
        return _factory_out(row)


@router.get("/factory-cas")
def list_factories(request: Request, _who: Viewer, page: Paged) -> list[FactoryOut]:
    with state_of(request).db.read() as session:
        return page.of(
            [_factory_out(row) for row in repository.factory_cas(session)],
            lambda each: f"{each.created_at.isoformat()} {each.id}",
        )


@router.delete("/factory-cas/{ca_id}")
def remove_factory(request: Request, ca_id: str, who: Admin) -> FactoryOut:
    state = state_of(request)
    with state.db.write() as session:
        return _factory_out(state.enrolment.remove_factory(session, ca_id, who.name, db.utc_now()))


def _key_out(row: PreauthorisedKey) -> KnownKeyOut:
    fields = {name: getattr(row, name) for name in KnownKeyOut.model_fields if name != "device"}
    return KnownKeyOut(**fields, device=row.device_id)


def _factory_out(row: FactoryCa) -> FactoryOut:
    return FactoryOut(**{name: getattr(row, name) for name in FactoryOut.model_fields})
