"""The fleet's configuration over HTTP: as a document, what another document would change, and that it be so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.fleet import service
from surefoot_server.fleet.document import LIMIT_CHARACTERS
from surefoot_server.fleet.webhooks import Webhooks
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/configuration", tags=["configuration"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Releaser = Annotated[Principal, Depends(require(Role.RELEASER))]


class DocumentIn(BaseModel):
    """`document` is YAML; `prune` also removes what it lacks, which a plan counts and an act must have counted."""

    document: str = Field(max_length=LIMIT_CHARACTERS)
    prune: int | None = Field(default=None, ge=0, le=1_000_000)
    base: str | None = Field(default=None, max_length=64, description="Of a plan: refuse if anything changed since")


class ChangeOut(BaseModel):
    """`before` is null for what is added, `after` for what is removed."""

    kind: str
    name: str
    act: str
    before: Mapping[str, str] | None
    after: Mapping[str, str] | None


class ThingOut(BaseModel):
    kind: str
    name: str


class PlanOut(BaseModel):
    """`left` is what the document lacks and what stays."""

    changes: list[ChangeOut]
    left: list[ThingOut]
    base: str


class AppliedOut(PlanOut):
    """`secrets`: webhook → what its signatures are checked with, for those that were made now; shown this once."""

    secrets: Mapping[str, str]


class FleetOut(BaseModel):
    document: str


@router.get("")
def export(request: Request, _who: Viewer) -> FleetOut:
    """The configuration as a document; applied again it changes nothing."""
    with state_of(request).db.read() as session:
        return FleetOut(document=service.export(service.state(session)))


@router.post("/plan")
def plan(request: Request, body: DocumentIn, _who: Viewer) -> PlanOut:
    """What the document would change; changes nothing, and shows no address."""
    state = state_of(request)
    with state.db.read() as session:
        return _out(service.plan(session, body.document, Webhooks(state.notify), prune=body.prune is not None))


@router.post("/apply")
def apply(request: Request, body: DocumentIn, who: Releaser) -> AppliedOut:
    """Bring the configuration to what the document says, all of it or nothing; answers with what was changed.

    Webhooks are changed for administrators only.
    """
    state = state_of(request)
    hooks = Webhooks(state.notify, who.role.includes(Role.ADMIN))
    with state.db.read() as session:
        orders = service.check(session, body.document, hooks, prune=body.prune is not None)
    for order in orders:  # asks for hosts, so outside of the transaction
        state.notify.check(order)
    with state.db.write() as session:
        found = service.apply(session, body.document, body.prune, body.base, hooks, who.name, db.utc_now())
    return AppliedOut(**_out(found).model_dump(), secrets=found.secrets)


def _out(found: service.Plan) -> PlanOut:
    return PlanOut(
        changes=[ChangeOut(kind=c.kind, name=c.name, act=c.act, before=c.before, after=c.after) for c in found.changes],
        left=[ThingOut(kind=kind, name=name) for kind, name in found.left],
        base=found.base,
    )
