"""What everybody may ask about themselves, and change: who one is, and one's own password.

Promises: no password and no hash is in any answer.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access import own_password, signing_in
from surefoot_server.access.guard import require
from surefoot_server.access.passwords import LONGEST
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.access.users_api import GrantOut
from surefoot_server.state import state_of
from surefoot_shared.errors import Conflict

router = APIRouter(prefix="/api/v1/me", tags=["access"])
Anybody = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Password = Annotated[str, Field(max_length=LONGEST)]


class MeOut(BaseModel):
    """`name` is what the audit trail says; `user` is the person behind a token, null where it is a program's."""

    name: str
    user: str | None
    grants: list[GrantOut]


class OwnPasswordIn(BaseModel):
    present: Password
    new: Password


@router.get("")
def me(request: Request, who: Anybody) -> MeOut:
    """Who the token's holder is, and with which roles over what."""
    try:
        user: str | None = own_password.user_of(state_of(request), who).name
    except Conflict:
        user = None
    grants = [GrantOut(scope=str(grant.scope), role=grant.role.value) for grant in who.held()]
    return MeOut(name=who.name, user=user, grants=grants)


@router.post("/password")
def change_password(request: Request, body: OwnPasswordIn, who: Anybody) -> MeOut:
    """Change one's own password, knowing the present one; every session of the user ends, tokens go on."""
    state, address = state_of(request), signing_in.address_of(request)
    own_password.change(state, who, body.present, body.new, address, db.utc_now())
    return me(request, who)
