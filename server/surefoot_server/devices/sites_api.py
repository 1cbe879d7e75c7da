"""Sites over HTTP: how the devices of each stand, and where it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import check_devices
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.devices import sites
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/sites", tags=["devices"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR, Over.ORDER))]


class SiteOut(BaseModel):
    """`state` is the worst that holds: attention, offline (all of them), updating, online."""

    name: str
    state: str
    devices: int
    online: int
    attention: int
    updating: int
    latitude: float | None
    longitude: float | None


class PlaceIn(BaseModel):
    """`devices` is how many the caller means: it is refused where they have become more or fewer."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    devices: int = Field(ge=0)


class PlacedOut(BaseModel):
    devices: int


@router.get("")
def list_sites(request: Request, _who: Viewer) -> list[SiteOut]:
    """Every site that a device names in its attribute `site`."""
    with state_of(request).db.read() as session:
        return [SiteOut(**{n: getattr(site, n) for n in SiteOut.model_fields}) for site in sites.sites(session)]


@router.put("/{name}")
def place(request: Request, name: str, body: PlaceIn, who: Operator) -> PlacedOut:
    """Say where a site is: it is written to the attributes of all of its devices."""
    with state_of(request).db.write() as session:
        check_devices(who, sites.devices(session, name), name)
        done = sites.place(session, name, body.latitude, body.longitude, body.devices, who.name, db.utc_now())
    return PlacedOut(devices=done)
