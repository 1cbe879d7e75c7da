"""Telemetry over HTTP: samples cut by device, metric and release, and the newest value of each series."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import check_device
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.cohorts import service as cohorts
from surefoot_server.releases import repository as releases
from surefoot_server.state import state_of
from surefoot_server.telemetry import errors, repository, summaries
from surefoot_shared.metrics import METRICS

NOBODY = "-"
"""No device is called so: an empty cohort has no samples, where no condition at all would be everybody's."""
router = APIRouter(prefix="/api/v1/telemetry", tags=["telemetry"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]


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
    who: Anywhere,
    device: str = "",
    metric: str = "",
    release: Annotated[str, Query(description="component/version")] = "",
    cohort: Annotated[str, Query(description="a saved name, or an expression")] = "",
    since_s: Annotated[float, Query(gt=0, le=31_536_000)] = 3600,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[SampleOut]:
    """Samples of the last `since_s` seconds, newest first."""
    with state_of(request).db.read() as session:
        digest = releases.get(session, release).digest if release else ""
        since = db.utc_now() - timedelta(seconds=since_s)
        whose = _devices(session, who, device, cohort)
        return [_out(p) for p in repository.samples(session, whose, metric, digest, since, limit)]


@router.get("/latest")
def latest(request: Request, who: Anywhere, device: str = "", metric: str = "") -> list[SampleOut]:
    """The newest value of each metric of each component."""
    with state_of(request).db.read() as session:
        return [_out(p) for p in repository.latest(session, _devices(session, who, device, ""), metric)]


class SummaryOut(BaseModel):
    device: str
    samples: int
    mean: float
    median: float
    p95: float
    slope_per_h: float
    low: float
    high: float


@router.get("/summary")
def summary(
    request: Request,
    who: Anywhere,
    metric: str,
    device: str = "",
    cohort: Annotated[str, Query(description="a saved name, or an expression")] = "all",
    release: Annotated[str, Query(description="component/version; any if not given")] = "",
    since_s: Annotated[float, Query(gt=0, le=31_536_000)] = 3600,
) -> list[SummaryOut]:
    """What a metric was on each device of a cohort over the last `since_s` seconds; devices without it are left out."""
    now = db.utc_now()
    with state_of(request).db.read() as session:
        digest = releases.get(session, release).digest if release else ""
        whose = _devices(session, who, device, cohort)
        spans = [summaries.Span(each, now - timedelta(seconds=since_s), now, digest) for each in whose]
        found = summaries.summaries(session, metric, spans)
    return [SummaryOut(device=each, **asdict(value)) for each, value in sorted(found.items())]


class ErrorOut(BaseModel):
    release: str
    kind: str
    outcome: str
    devices: int
    last_at: datetime
    example_device: str
    example: str


@router.get("/errors")
def grouped_errors(
    request: Request,
    _who: Anywhere,
    release: Annotated[str, Query(description="component/version")] = "",
    since_s: Annotated[float, Query(gt=0, le=31_536_000)] = 604_800,
) -> list[ErrorOut]:
    """How attempts of the last `since_s` seconds failed, by kind and release, the most devices first."""
    with state_of(request).db.read() as session:
        found = errors.groups(session, db.utc_now() - timedelta(seconds=since_s), release)
        return [ErrorOut(**asdict(group)) for group in found]


def _devices(session: Session, who: Principal, device: str, cohort: str) -> list[str]:
    """One device, or those of a cohort; nothing given is everybody in reach. Raises NotFound, Invalid, NotAllowed."""
    if device:
        check_device(who, device)
    elif who.reach is not None:
        cohort = cohort or cohorts.EVERYTHING
    if device or not cohort:
        return [device] if device else []
    return cohorts.devices(session, cohorts.resolve(session, cohort).expression) or [NOBODY]


def _out(point: repository.Point) -> SampleOut:
    unit = METRICS[point.name].unit if point.name in METRICS else None
    return SampleOut(
        device=point.device_id,
        name=point.name,
        at=point.at,
        value=point.value,
        unit=unit,
        component=point.component,
        digest=point.digest,
        slot=point.slot,
    )
