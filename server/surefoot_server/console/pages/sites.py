"""The map of sites, drawn by this server: nothing of where cameras are leaves it; and the list, which says the same."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.orders import check_devices
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import atlas, found, frame
from surefoot_server.console.navigation import Entry
from surefoot_server.devices import sites
from surefoot_server.devices.search import Selection
from surefoot_server.languages.catalogue import N_
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
ENTRY = Entry("/map", N_("Map"), "map", "m")
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.ORDER))]


@router.get("/map")
def show(request: Request, who: Viewer) -> HTMLResponse:
    with state_of(request).db.read() as session:
        every = sites.sites(session)
    return frame.show(request, "map.html", who, sites=every, map=atlas.draw(every), devices_of=devices_of)


@router.post("/map/place")
def place(
    request: Request,
    who: Operator,
    site: Annotated[str, Form(min_length=1, max_length=200)],
    latitude: Annotated[float, Form(ge=-90, le=90)],
    longitude: Annotated[float, Form(ge=-180, le=180)],
    devices: Annotated[int, Form(ge=0)],
) -> Response:
    """Say where a site is, on exactly the devices whose number the form named."""
    with state_of(request).db.write() as session:
        check_devices(who, sites.devices(session, site), site)
        sites.place(session, site, latitude, longitude, devices, who.name, db.utc_now())
    return RedirectResponse("/map", 303)


def devices_of(site: str) -> str:
    """Where its devices are listed; a name that no expression can hold is searched for as words."""
    quote = '"' if "'" in site else "'"
    return found.address(Selection(site) if quote in site else Selection(cohort=f"site == {quote}{site}{quote}"))
