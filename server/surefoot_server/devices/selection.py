"""Many devices at once over HTTP: how many a text, a cohort and a standing mean, and their tags."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.devices import search, tagging
from surefoot_server.devices.search import Selection, Standing
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/selection", tags=["devices"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ORDER))]
Tags = Annotated[list[Annotated[str, Field(pattern=tagging.TAG)]], Field(max_length=tagging.MOST_TAGS)]
Found = Annotated[str, Query(max_length=200, description="Words in id, hardware, attribute, tag or release")]
Meant = Annotated[str, Query(max_length=4000, description="A saved cohort's name or an expression")]
Stands = Annotated[Standing | None, Query(alias="is", description="How the device stands now")]


class TallyOut(BaseModel):
    devices: int
    online: int
    attention: int


class RetagIn(BaseModel):
    """`devices` is how many the caller means: it is refused where they have become more or fewer."""

    q: str = Field(default="", max_length=200)
    cohort: str = Field(default="", max_length=4000)
    standing: Standing | None = Field(default=None, alias="is")
    add: Tags = []
    remove: Tags = []
    devices: int = Field(ge=0)


class RetaggedOut(BaseModel):
    devices: int
    added: int
    removed: int


@router.get("")
def tally(request: Request, _who: Viewer, q: Found = "", cohort: Meant = "", standing: Stands = None) -> TallyOut:
    """How many devices are meant, and how they stand."""
    with state_of(request).db.read() as session:
        return TallyOut(**asdict(search.tally(session, Selection(q, cohort, standing))))


@router.post("/tags")
def retag(request: Request, body: RetagIn, who: Operator) -> RetaggedOut:
    """Add and remove tags on all devices that are meant, or on none; with a role in scopes, those there are meant."""
    meant = Selection(body.q, body.cohort, body.standing, within=who.reach.devices if who.reach else None)
    with state_of(request).db.write() as session:
        done = tagging.retag(session, meant, body.add, body.remove, body.devices, who.name, db.utc_now())
    return RetaggedOut(**asdict(done))
