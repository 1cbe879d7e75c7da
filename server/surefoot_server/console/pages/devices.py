"""The devices: found as one types, filtered by the cohort language in the address, tagged many at a time."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access.guard import require_session
from surefoot_server.access.orders import own_cohort
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.cohorts import service as cohorts
from surefoot_server.console import found, frame
from surefoot_server.console.navigation import Entry
from surefoot_server.devices import search, tagging
from surefoot_server.devices.search import Selection, Standing
from surefoot_server.languages.catalogue import N_
from surefoot_server.state import state_of

router = APIRouter(include_in_schema=False)
ENTRY = Entry("/devices", N_("Devices"), "devices", "d")
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Operator = Annotated[Principal, Depends(require_session(Role.OPERATOR, Over.ORDER))]
Words = Annotated[str, Query(max_length=200)]
Expression = Annotated[str, Query(max_length=4000)]
Tags = Annotated[str, Form(max_length=2000)]
MOST_COHORTS = 30
"""Links above the list; more are found under their name."""


@router.get("/devices")
def devices(
    request: Request,
    who: Viewer,
    q: Words = "",
    cohort: Expression = "",
    standing: Annotated[str, Query(alias="is", max_length=20)] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    chosen = Standing(standing) if standing in list(Standing) else None
    with state_of(request).db.read() as session:
        page = found.find(session, Selection(q, cohort.strip(), chosen), after, db.utc_now())
        saved = cohorts.all_cohorts(session)
        tags = search.all_tags(session)
    return frame.show(
        request,
        "devices.html",
        who,
        page=page,
        saved=saved[:MOST_COHORTS],
        tags=tags,
        standings=[each.value for each in Standing],
        after=after,
    )


@router.post("/devices/tags")
def tag(
    request: Request,
    who: Operator,
    devices: Annotated[int, Form(ge=0)],
    q: Annotated[str, Form(max_length=200)] = "",
    cohort: Annotated[str, Form(max_length=4000)] = "",
    standing: Annotated[str, Form(alias="is", max_length=20)] = "",
    add: Tags = "",
    remove: Tags = "",
) -> Response:
    """Change the tags of exactly the devices whose number the form named."""
    frame.own_form(request)
    chosen = Standing(standing) if standing in list(Standing) else None
    meant = Selection(q, cohort, chosen, within=who.reach.devices if who.reach else None)
    with state_of(request).db.write() as session:
        tagging.retag(session, meant, listed(add), listed(remove), devices, who.name, db.utc_now())
    return RedirectResponse(found.address(meant), 303)


@router.post("/cohorts")
def save(
    request: Request,
    who: Operator,
    name: Annotated[str, Form(max_length=64)],
    expression: Annotated[str, Form(max_length=4000)],
) -> Response:
    """Save the expression one looks at, so that rollouts and channels may name it."""
    frame.own_form(request)
    with state_of(request).db.write() as session:
        made = cohorts.create(session, name.strip(), own_cohort(who, expression), who.name, db.utc_now())
        meant = Selection(cohort=made.name)
    return RedirectResponse(found.address(meant), 303)


def listed(text: str) -> list[str]:
    return [tag for tag in re.split(r"[\s,]+", text) if tag]
