"""What the API and the console show of a device: pydantic models and the facts behind "why?", read from rows."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import Session

from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment, DeadLetter, DeviceComponent, DeviceEvent
from surefoot_server.devices.repository import DeviceView
from surefoot_server.devices.why import Facts, Why, Wish, explain
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.status import AttemptState, Outcome


class ComponentOut(BaseModel):
    component: str
    slot: str | None
    release: str | None
    digest: str | None
    wanted: str | None
    state: str
    slots: dict[str, Any]
    previous_kept: bool


class AssignmentOut(BaseModel):
    id: str
    component: str
    release: str
    digest: str
    seq: int
    intent: str
    rollout: str | None
    phase: int | None
    state: str
    outcome: str | None
    outcome_by: str | None
    reason: str | None
    message: str
    progress: float | None
    report: dict[str, Any] | None
    proof: dict[str, Any] | None
    offered_at: datetime
    state_at: datetime
    ended_at: datetime | None
    open: bool


class DeviceOut(BaseModel):
    id: str
    hw: str
    online: bool
    last_seen_at: datetime | None
    enrolled_at: datetime
    revoked: bool
    agent: str
    tags: list[str]
    attributes: dict[str, str]
    attention: str | None
    attention_message: str
    components: list[ComponentOut]


class EventOut(BaseModel):
    seq: int
    at: str
    received_at: datetime
    kind: str
    component: str | None
    assignment: str | None
    state: str | None
    outcome: str | None
    reason: str | None
    message: str
    progress: float | None
    report: dict[str, Any] | None
    suspicious: str | None


class DeviceDetail(DeviceOut):
    boot_id: str
    clock_source: str
    svn_floor: int
    halt_epoch: int
    assignments: list[AssignmentOut]
    events: list[EventOut]


class WhyOut(BaseModel):
    device: str
    component: str
    kind: str
    sentence: str
    runs: str | None
    wanted: str | None


class LetterOut(BaseModel):
    topic: str
    sha256: str
    excerpt: str = Field(description="The first 2 kB in base64; anybody may have written them")
    error: str
    count: int
    first_at: datetime
    last_at: datetime


def letter_out(row: DeadLetter) -> LetterOut:
    return LetterOut(
        topic=row.topic,
        sha256=row.sha256,
        excerpt=base64.b64encode(row.excerpt).decode(),
        error=row.error,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def device_out(view: DeviceView) -> DeviceOut:
    return DeviceOut(**_fields(view))


def detail_of(session: Session, device_id: str) -> DeviceDetail:
    view = repository.views(session, [repository.device(session, device_id)])[0]
    device = view.device
    return DeviceDetail(
        **_fields(view),
        boot_id=device.boot_id,
        clock_source=device.clock_source,
        svn_floor=device.svn_floor,
        halt_epoch=device.halt_epoch,
        assignments=[assignment_out(row) for row in repository.history(session, device_id)],
        events=[_event_out(row) for row in repository.events(session, device_id)],
    )


def assignment_out(row: Assignment) -> AssignmentOut:
    same = {name: getattr(row, name) for name in AssignmentOut.model_fields if hasattr(row, name)}
    return AssignmentOut(**same, release=row.release_id, rollout=row.rollout_id)


def why_of(session: Session, view: DeviceView, component: str, now: datetime, waiting: str | None) -> WhyOut:
    """Answer for one component; `waiting` is what a rollout says of a device that it has not reached."""
    facts = facts_of(session, view, component, now, waiting)
    why: Why = explain(facts)
    return WhyOut(
        device=facts.device,
        component=component,
        kind=why.kind,
        sentence=why.sentence,
        runs=facts.runs,
        wanted=view.wanted.get(component),
    )


def facts_of(session: Session, view: DeviceView, component: str, now: datetime, waiting: str | None) -> Facts:
    device = view.device
    part = next((p for p in view.components if p.component == component), None)
    row = next((a for a in view.assignments if a.component == component), None)
    return Facts(
        device=device.id,
        component=component,
        now=now,
        runs=part.release_id if part else None,
        digest=part.digest if part else None,
        state=AttemptState(part.state) if part else None,
        wish=_wish(session, row) if row else None,
        online=device.online,
        last_seen_at=device.last_seen_at,
        revoked=device.revoked_at is not None,
        attention=device.attention,
        attention_message=device.attention_message,
        waiting=waiting,
    )


def _wish(session: Session, row: Assignment) -> Wish:
    rollout = session.get(Rollout, row.rollout_id) if row.rollout_id else None
    return Wish(
        release=row.release_id,
        state=AttemptState(row.state),
        open=row.open,
        outcome=Outcome(row.outcome) if row.outcome else None,
        reason=row.reason,
        message=row.message,
        progress=row.progress,
        unsigned=row.unsigned,
        rollout=row.rollout_id,
        rollout_state=rollout.state if rollout else None,
    )


def _fields(view: DeviceView) -> dict[str, Any]:
    device = view.device
    return {
        "id": device.id,
        "hw": device.hw,
        "online": device.online,
        "last_seen_at": device.last_seen_at,
        "enrolled_at": device.enrolled_at,
        "revoked": device.revoked_at is not None,
        "agent": device.agent,
        "tags": list(view.tags),
        "attributes": device.attributes,
        "attention": device.attention,
        "attention_message": device.attention_message,
        "components": [_component_out(part, view) for part in view.components],
    }


def _component_out(part: DeviceComponent, view: DeviceView) -> ComponentOut:
    return ComponentOut(
        component=part.component,
        slot=part.slot,
        release=part.release_id,
        digest=part.digest,
        wanted=view.wanted.get(part.component),
        state=part.state,
        slots=part.slots,
        previous_kept=part.previous_kept,
    )


def _event_out(row: DeviceEvent) -> EventOut:
    same = {name: getattr(row, name) for name in EventOut.model_fields if hasattr(row, name)}
    return EventOut(**same, assignment=row.assignment_id)
