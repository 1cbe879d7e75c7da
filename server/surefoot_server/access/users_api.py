"""Users over HTTP, for administrators: made, given roles, disabled.

Promises: no password and no hash is in any answer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.access import users
from surefoot_server.access.guard import require
from surefoot_server.access.models import User
from surefoot_server.access.passwords import LONGEST
from surefoot_server.access.roles import Grant, Principal, Role, Scope
from surefoot_server.paging import Paged
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/users", tags=["access"])
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]
ScopeText = Annotated[str, Field(max_length=80, description="fleet, cohort:NAME or channel:NAME")]
Password = Annotated[str, Field(max_length=LONGEST)]


class GrantIn(BaseModel):
    role: Role
    scope: ScopeText = "fleet"
    reason: str = Field(default="", max_length=500)

    @property
    def grant(self) -> Grant:
        return Grant(Scope.parse(self.scope), self.role)


class UserIn(BaseModel):
    """Without a password only the identity provider lets the user in."""

    name: str = Field(max_length=64)
    password: Password | None = None
    grants: list[GrantIn] = Field(default_factory=list, max_length=50)


class PasswordIn(BaseModel):
    password: Password


class WithdrawIn(BaseModel):
    scope: ScopeText = "fleet"
    reason: str = Field(default="", max_length=500)


class ReasonIn(BaseModel):
    reason: str = Field(default="", max_length=500)


class GrantOut(BaseModel):
    scope: str
    role: str


class UserOut(BaseModel):
    """`signs_in_by`: password, identity provider, both, or nothing yet."""

    name: str
    grants: list[GrantOut]
    signs_in_by: list[str]
    created_at: datetime
    created_by: str
    password_at: datetime | None
    disabled_at: datetime | None


@router.get("")
def list_users(request: Request, _who: Admin, page: Paged) -> list[UserOut]:
    with state_of(request).db.read() as session:
        return page.of([shown(session, row) for row in users.users(session)], lambda each: each.name)


@router.post("", status_code=201)
def create_user(request: Request, body: UserIn, who: Admin) -> UserOut:
    grants = [each.grant for each in body.grants]
    with state_of(request).db.write() as session:
        return shown(session, users.create(session, body.name, body.password, grants, who.name, db.utc_now()))


@router.get("/{name}")
def show(request: Request, name: str, _who: Admin) -> UserOut:
    with state_of(request).db.read() as session:
        return shown(session, users.get(session, name))


@router.post("/{name}/grant")
def grant(request: Request, name: str, body: GrantIn, who: Admin) -> UserOut:
    """Give a role over a scope, instead of the one that the user had there."""
    with state_of(request).db.write() as session:
        return shown(session, users.grant(session, name, body.grant, who.name, db.utc_now(), body.reason))


@router.post("/{name}/withdraw")
def withdraw(request: Request, name: str, body: WithdrawIn, who: Admin) -> UserOut:
    """Take the role over a scope away."""
    scope = Scope.parse(body.scope)
    with state_of(request).db.write() as session:
        return shown(session, users.withdraw(session, name, scope, who.name, db.utc_now(), body.reason))


@router.post("/{name}/password")
def set_password(request: Request, name: str, body: PasswordIn, who: Admin) -> UserOut:
    """Give a new password; every session of the user ends."""
    with state_of(request).db.write() as session:
        return shown(session, users.set_password(session, name, body.password, who.name, db.utc_now()))


@router.post("/{name}/disable")
def disable(request: Request, name: str, body: ReasonIn, who: Admin) -> UserOut:
    """Let the user in no more, with nothing: its sessions end, its tokens open nothing."""
    with state_of(request).db.write() as session:
        return shown(session, users.disable(session, name, who.name, db.utc_now(), body.reason))


@router.post("/{name}/enable")
def enable(request: Request, name: str, body: ReasonIn, who: Admin) -> UserOut:
    with state_of(request).db.write() as session:
        return shown(session, users.enable(session, name, who.name, db.utc_now(), body.reason))


def shown(session: Session, row: User) -> UserOut:
    ways = {"password": row.password_hash, "identity provider": row.subject}
    return UserOut(
        name=row.name,
        grants=[GrantOut(scope=str(g.scope), role=g.role.value) for g in users.grants(session, row.id)],
        signs_in_by=[way for way, stored in ways.items() if stored is not None],
        created_at=row.created_at,
        created_by=row.created_by,
        password_at=row.password_at,
        disabled_at=row.disabled_at,
    )
