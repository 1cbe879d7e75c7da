"""Devices over HTTP: list, show, why, tags, attention, revocation and typed requests."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import check_release
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import service as audit
from surefoot_server.devices import letters, repository, search
from surefoot_server.devices.models import DeviceRequest
from surefoot_server.devices.search import Selection
from surefoot_server.devices.selection import Found, Meant, Stands
from surefoot_server.devices.tagging import MOST_TAGS, TAG
from surefoot_server.devices.views import (
    AssignmentOut,
    DeviceDetail,
    DeviceOut,
    LetterOut,
    WhyOut,
    assignment_out,
    detail_of,
    device_out,
    letter_out,
    why_of,
)
from surefoot_server.paging import Paged
from surefoot_server.state import state_of
from surefoot_shared.errors import NotFound
from surefoot_shared.messages import MetadataVersions, RequestKind
from surefoot_shared.status import Intent

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.DEVICE))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR, Over.DEVICE))]
Releaser = Annotated[Principal, Depends(require(Role.RELEASER, Over.DEVICE))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN, Over.DEVICE))]


class TagsIn(BaseModel):
    tags: list[Annotated[str, Field(pattern=TAG)]] = Field(max_length=MOST_TAGS)


class SetIn(BaseModel):
    releases: list[Annotated[str, Field(max_length=100)]] = Field(
        min_length=1, max_length=8, description="In the order in which they are started"
    )


class BundleOut(BaseModel):
    device: str
    bundle: str = Field(description="The bundle's bytes in base64")


class RequestIn(BaseModel):
    kind: RequestKind
    lines: int = Field(default=200, ge=1, le=5000)


class RequestOut(BaseModel):
    id: str
    device: str
    kind: str
    requested_at: datetime
    answered_at: datetime | None
    ok: bool | None
    text: str


@router.get("")
def list_devices(
    request: Request,
    _who: Anywhere,
    page: Paged,
    q: Found = "",
    cohort: Meant = "",
    standing: Stands = None,
    after: Annotated[str, Query(max_length=64, description="The id after which to go on")] = "",
) -> list[DeviceOut]:
    with state_of(request).db.read() as session:
        found = search.page(session, Selection(q, cohort, standing), page.limit + 1, page.text or after)
        found = page.cut(found, lambda each: each.id)
        return [device_out(view) for view in repository.views(session, found)]


@router.get("/{device_id}")
def show_device(request: Request, device_id: str, _who: Viewer) -> DeviceDetail:
    with state_of(request).db.read() as session:
        return detail_of(session, device_id)


@router.get("/{device_id}/why")
def why(request: Request, device_id: str, _who: Viewer, component: str = "") -> WhyOut:
    """One sentence: what runs, what is wanted, what it waits for."""
    state = state_of(request)
    with state.db.read() as session:
        view = repository.views(session, [repository.device(session, device_id)])[0]
        names = [part.component for part in view.components] + [row.component for row in view.assignments]
        name = component or (names[0] if names else "app")
        waiting = state.rollouts.why(session, device_id, name, db.utc_now())
        return why_of(session, view, name, db.utc_now(), waiting)


@router.get("/{device_id}/letters")
def list_letters(request: Request, device_id: str, _who: Viewer, page: Paged) -> list[LetterOut]:
    """What came on the device's topics and was put aside: it could not be read, proved or stored. Newest first."""
    with state_of(request).db.read() as session:
        repository.device(session, device_id)
        return page.of(
            [letter_out(row) for row in letters.of_device(session, device_id)],
            lambda each: f"{each.last_at.isoformat()} {each.sha256} {each.topic}",
            newest_first=True,
        )


@router.put("/{device_id}/tags")
def set_tags(request: Request, device_id: str, body: TagsIn, who: Operator) -> DeviceOut:
    state = state_of(request)
    with state.db.write() as session:
        state.devices.set_tags(session, device_id, body.tags, who.name, db.utc_now())
        return device_out(repository.views(session, [repository.device(session, device_id)])[0])


@router.post("/{device_id}/acknowledge")
def acknowledge(request: Request, device_id: str, who: Operator) -> DeviceOut:
    """A person has looked at what the device needs attention for."""
    state = state_of(request)
    with state.db.write() as session:
        device = state.devices.acknowledge(session, device_id, who.name, db.utc_now())
        return device_out(repository.views(session, [device])[0])


@router.post("/{device_id}/revoke")
def revoke(request: Request, device_id: str, who: Admin) -> DeviceOut:
    """Believe nothing that the device's key signs from now on, and want nothing of it."""
    state = state_of(request)
    with state.db.write() as session:
        device = state.devices.revoke(session, device_id, who.name, db.utc_now())
        shown = device_out(repository.views(session, [device])[0])
    state.deny()
    return shown


@router.post("/{device_id}/sets", status_code=201)
def assign_set(request: Request, device_id: str, body: SetIn, who: Releaser) -> list[AssignmentOut]:
    """Want one release, or those of several components, activated as one or not at all; it belongs to no rollout."""
    for release_id in body.releases:
        check_release(who, release_id)
    state = state_of(request)
    with state.db.write() as session:
        rows = state.devices.assign_set(session, device_id, body.releases, Intent.UPDATE, db.utc_now())
        facts = {"releases": body.releases, "assignments": [row.id for row in rows]}
        act = "device.assign_set" if len(rows) > 1 else "device.assign"
        audit.record(session, who.name, act, f"device:{device_id}", facts, db.utc_now())
        return [assignment_out(row) for row in rows]


@router.get("/{device_id}/bundle")
def bundle(request: Request, device_id: str, who: Operator) -> BundleOut:
    """The device's bundle, whole, to be carried to it on a medium; it serves this device only."""
    state = state_of(request)
    with state.db.write() as session:
        raw = state.devices.bundle_for(session, device_id, db.utc_now(), MetadataVersions(), MetadataVersions())
        audit.record(session, who.name, "device.bundle", f"device:{device_id}", {"bytes": len(raw)}, db.utc_now())
    return BundleOut(device=device_id, bundle=base64.b64encode(raw).decode())


@router.post("/{device_id}/requests", status_code=202)
def ask(request: Request, device_id: str, body: RequestIn, who: Operator) -> RequestOut:
    """Ask the device for logs or diagnostics; its answer is at the returned id once it came."""
    state = state_of(request)
    with state.db.write() as session:
        wire = state.devices.request(session, device_id, body.kind, body.lines, who.name, db.utc_now())
        row = session.get(DeviceRequest, wire.id)
        assert row is not None
        answer = _request_out(row)
    state.downlink.request(device_id, wire)
    return answer


@router.get("/{device_id}/requests/{request_id}")
def answer(request: Request, device_id: str, request_id: str, _who: Viewer) -> RequestOut:
    with state_of(request).db.read() as session:
        row = session.get(DeviceRequest, request_id)
        if row is None or row.device_id != device_id:
            raise NotFound("not_found", f"{device_id} was not asked {request_id!r}.")
        return _request_out(row)


def _request_out(row: DeviceRequest) -> RequestOut:
    same = {name: getattr(row, name) for name in RequestOut.model_fields if hasattr(row, name)}
    return RequestOut(**same, device=row.device_id)
