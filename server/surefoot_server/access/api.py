"""API tokens over HTTP, for administrators; a token's text is in the answer that makes it and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access import service, users
from surefoot_server.access.guard import require
from surefoot_server.access.models import AccessToken
from surefoot_server.access.roles import Principal, Role, Scope
from surefoot_server.paging import Paged
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/tokens", tags=["access"])
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]
YEAR_S = 31_536_000.0
ScopeText = Annotated[str, Field(max_length=80, description="fleet, cohort:NAME or channel:NAME")]


class TokenIn(BaseModel):
    """`owner` is the user whose acts its acts are; whoever asks, where none is named."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    role: Role
    valid_s: float | None = Field(default=None, gt=0, le=YEAR_S)
    scopes: list[ScopeText] = Field(default_factory=list, max_length=50)
    owner: str | None = Field(default=None, max_length=64)


class TokenOut(BaseModel):
    id: str
    name: str
    role: str
    scopes: list[str]
    owner: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class NewToken(TokenOut):
    token: str


@router.get("")
def list_tokens(request: Request, _who: Admin, page: Paged) -> list[TokenOut]:
    with state_of(request).db.read() as session:
        names = users.names(session)
        return page.of([TokenOut(**_fields(row, names)) for row in service.tokens(session)], lambda each: each.name)


@router.post("", status_code=201)
def create(request: Request, body: TokenIn, who: Admin) -> NewToken:
    scopes = [Scope.parse(text) for text in body.scopes]
    with state_of(request).db.write() as session:
        person = f"{service.USER}{users.get(session, body.owner).id}" if body.owner else who.person
        for scope in scopes:
            users.check_scope(session, scope)
        row, text = service.create_token(
            session, body.name, body.role, who.name, db.utc_now(), body.valid_s, scopes, person
        )
        return NewToken(**_fields(row, users.names(session)), token=text)


@router.delete("/{token_id}")
def revoke(request: Request, token_id: str, who: Admin) -> TokenOut:
    with state_of(request).db.write() as session:
        row = service.revoke_token(session, token_id, who.name, db.utc_now())
        return TokenOut(**_fields(row, users.names(session)))


def _fields(row: AccessToken, names: dict[str, str]) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in TokenOut.model_fields if name != "owner"}
    return {**same, "owner": names.get(row.person.removeprefix(service.USER))}
