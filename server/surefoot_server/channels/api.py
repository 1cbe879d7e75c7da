"""Channels over HTTP: make, show, ask whether a release is ready, promote it, and the two reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.orders import check_release
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.channels import repository, service
from surefoot_server.channels.models import Channel, ChannelEntry
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.policy import MOST_COMPANIONS
from surefoot_server.state import state_of

router = APIRouter(prefix="/api/v1/channels", tags=["channels"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.CHANNEL))]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR, Over.CHANNEL))]
Promoter = Annotated[Principal, Depends(require(Role.RELEASER, Over.CHANNEL))]
Releaser = Annotated[Principal, Depends(require(Role.RELEASER))]
Name = Annotated[str, Field(max_length=64)]


class ChannelIn(BaseModel):
    """`policy` is what rollouts in it follow; `requires` is what a release must have shown in the channel before."""

    name: Name
    after: Name | None = None
    cohort: str = Field(min_length=1, max_length=4000)
    policy: str = Field(default="", max_length=64 * 1024)
    requires: str = Field(default="", max_length=16 * 1024)


class EntryOut(BaseModel):
    release: str
    digest: str
    at: datetime
    by: str
    evidence: list[dict[str, Any]]


class ChannelOut(BaseModel):
    """`entries`: what was promoted into it, the newest first."""

    name: str
    after: str | None
    cohort: str
    policy: str
    requires: str
    created_by: str
    entries: list[EntryOut]


class AnswerOut(BaseModel):
    requirement: str
    met: bool
    said: str


class PromoteIn(BaseModel):
    """`start` also starts a rollout to the channel's cohort under its policy; `also` are promoted with it, all or none,
    and rolled out as one set."""

    release: str = Field(max_length=100)
    also: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=MOST_COMPANIONS)
    start: bool = False


class PromotedOut(EntryOut):
    channel: str
    also: list[str]
    """Releases that were promoted with it."""
    rollout: str | None


class NoteIn(BaseModel):
    """A test's result; without `test` it is the acceptance of the person whose token this is."""

    release: str = Field(max_length=100)
    test: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,80}$")
    passed: bool = True
    note: str = Field(default="", max_length=500)


class ApartOut(BaseModel):
    channel: str
    component: str
    release: str | None
    behind: int
    devices: int
    on_it: int
    others: dict[str, int]
    todo: str


class LeftoverOut(BaseModel):
    release: str
    devices: list[str]
    why: str
    todo: str


@router.post("", status_code=201)
def create(request: Request, body: ChannelIn, who: Releaser) -> ChannelOut:
    with state_of(request).db.write() as session:
        row = service.create(
            session, body.name, body.after, body.cohort, body.policy, body.requires, who.name, db.utc_now()
        )
        return _out(row, [])


@router.get("")
def list_channels(request: Request, _who: Anywhere) -> list[ChannelOut]:
    """In the order of promotion."""
    with state_of(request).db.read() as session:
        return [_out(row, repository.entries(session, row.name)) for row in repository.channels(session)]


@router.get("/parity")
def parity(request: Request, _who: Anywhere) -> list[ApartOut]:
    """How far each channel is behind the one before, and who in it runs something else."""
    with state_of(request).db.read() as session:
        return [ApartOut(**{n: getattr(a, n) for n in ApartOut.model_fields}) for a in service.parity(session)]


@router.get("/cleanup")
def cleanup(request: Request, _who: Anywhere) -> list[LeftoverOut]:
    """Devices on releases that no channel holds, and releases that nobody needs any more."""
    with state_of(request).db.read() as session:
        found = service.cleanup(session, db.utc_now())
        return [LeftoverOut(release=f.release, devices=list(f.devices), why=f.why, todo=f.todo) for f in found]


@router.get("/{name}")
def show(request: Request, name: str, _who: Viewer) -> ChannelOut:
    with state_of(request).db.read() as session:
        return _out(repository.channel(session, name), repository.entries(session, name))


@router.get("/{name}/ready")
def ready(request: Request, name: str, release: str, who: Viewer) -> list[AnswerOut]:
    """Each requirement, met or not, with its numbers: of the whole fleet, as the promotion asks it."""
    check_release(who, release)
    with state_of(request).db.read(whole=True) as session:
        judge = state_of(request).builders.judge
        found = service.readiness(session, name, release, who.name, db.utc_now(), judge)
        return [AnswerOut(requirement=a.requirement, met=a.met, said=a.said) for a in found]


@router.post("/{name}/note", status_code=201)
def note(request: Request, name: str, body: NoteIn, who: Operator) -> list[AnswerOut]:
    """Note a test's result or your acceptance; answers with what the note is about."""
    kind = "test" if body.test else "acceptance"
    with state_of(request).db.write() as session:
        row = service.note(session, name, body.release, kind, body.test, body.passed, body.note, who.name, db.utc_now())
        return [AnswerOut(requirement=f"{kind} {row.name}", met=row.passed, said=row.note)]


@router.post("/{name}/promote", status_code=201)
def promote(request: Request, name: str, body: PromoteIn, who: Promoter) -> PromotedOut:
    """Put a release, or a set, into the channel; refused with the first requirement that is not met."""
    for each in (body.release, *body.also):
        check_release(who, each)
    state, now, also = state_of(request), db.utc_now(), tuple(body.also)
    with state.db.write() as session:
        channel = repository.channel(session, name)
        order = Order(channel.policy, body.release, channel.cohort, also=also)
        for each in state.rollouts.meant(session, order)[0] if body.start else ():
            check_release(who, each)  # the channel's policy may name others that go with it
        rows = service.promote_set(session, name, [body.release, *also], who.name, now, state.builders.judge)
        if body.start and also:
            state.rollouts.plan(session, order)  # a set that cannot be rolled out so is not promoted either
        entry = _entry(rows[0])
    started = state.rollouts.start(order, who.name, now) if body.start else None
    return PromotedOut(**entry.model_dump(), channel=name, also=list(also), rollout=started)


def _out(row: Channel, entries: list[ChannelEntry]) -> ChannelOut:
    return ChannelOut(
        name=row.name,
        after=row.after,
        cohort=row.cohort,
        policy=row.policy,
        requires=row.requires,
        created_by=row.created_by,
        entries=[_entry(e) for e in entries],
    )


def _entry(row: ChannelEntry) -> EntryOut:
    return EntryOut(release=row.release_id, digest=row.digest, at=row.at, by=row.by, evidence=row.evidence)
