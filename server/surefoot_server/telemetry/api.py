"""Telemetry over HTTP: samples cut by device, metric and release, and the newest value of each series."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.releases import repository as releases
from surefoot_server.state import state_of
from surefoot_server.telemetry import repository
from surefoot_shared.metrics import METRICS

router = APIRouter(prefix="/api/v1/telemetry", tags=["telemetry"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]


class SampleOut(BaseModel):
    device: str
    name: str
    at: datetime
    value: float
    unit: str | None
    component: str | None
    digest: str | None
    slot: str | None


@router.get("")
def samples(
    request: Request,
    _who: Viewer,
    device: str = "",
    metric: str = "",
    release: Annotated[str, Query(description="component/version")] = "",
    since_s: Annotated[float, Query(gt=0, le=31_536_000)] = 3600,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[SampleOut]:
    """Samples of the last `since_s` seconds, newest first."""
    with state_of(request).db.read() as session:
        digest = releases.get(session, release).digest if release else ""
        since = db.utc_now() - timedelta(seconds=since_s)
        rows = repository.samples(session, device, metric, digest, since, limit)
        return [_out(r.device_id, r.name, r.at, r.value, r.component, r.digest, r.slot) for r in rows]


@router.get("/latest")
def latest(request: Request, _who: Viewer, device: str = "", metric: str = "") -> list[SampleOut]:
    with state_of(request).db.read() as session:
        rows = repository.latest(session, device, metric)
        return [_out(r.device_id, r.name, r.at, r.value, r.component or None, r.digest, r.slot) for r in rows]


def _out(
    device: str, name: str, at: datetime, value: float, component: str | None, digest: str | None, slot: str | None
) -> SampleOut:
    unit = METRICS[name].unit if name in METRICS else None
    return SampleOut(
        device=device, name=name, at=at, value=value, unit=unit, component=component, digest=digest, slot=slot
    )
