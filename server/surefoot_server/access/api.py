"""API tokens over HTTP, for administrators; a token's text is in the answer that makes it and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access import service
from surefoot_server.access.guard import require
from surefoot_server.access.models import AccessToken
from surefoot_server.access.roles import Principal, Role
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/tokens", tags=["access"])
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]


class TokenIn(BaseModel):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    role: Role
    valid_s: float | None = Field(default=None, gt=0, le=31_536_000)


class TokenOut(BaseModel):
    id: str
    name: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class NewToken(TokenOut):
    token: str


@router.get("")
def list_tokens(request: Request, _who: Admin) -> list[TokenOut]:
    with state_of(request).db.read() as session:
        return [TokenOut(**_fields(row)) for row in service.tokens(session)]


@router.post("", status_code=201)
def create(request: Request, body: TokenIn, who: Admin) -> NewToken:
    with state_of(request).db.write() as session:
        row, text = service.create_token(session, body.name, body.role, who.name, db.utc_now(), body.valid_s)
        return NewToken(**_fields(row), token=text)


@router.delete("/{token_id}")
def revoke(request: Request, token_id: str, who: Admin) -> TokenOut:
    with state_of(request).db.write() as session:
        return TokenOut(**_fields(service.revoke_token(session, token_id, who.name, db.utc_now())))


def _fields(row: AccessToken) -> dict[str, Any]:
    return {name: getattr(row, name) for name in TokenOut.model_fields}
