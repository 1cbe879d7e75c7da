"""What the page of one device shows, read from the database: slots, attempts with their steps, values, answers, flags.

Promises: nothing a device said is interpreted here but its reports, whose form the wire holds; the rest is text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from surefoot_server.console import chart, found
from surefoot_server.console.chart import Chart
from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment, Device, DeviceComponent, DeviceEvent, DeviceRequest
from surefoot_server.devices.repository import DeviceView
from surefoot_server.devices.views import WhyOut, why_of
from surefoot_server.feedback import repository as feedback
from surefoot_server.feedback.models import Flag
from surefoot_server.telemetry import repository as telemetry
from surefoot_server.telemetry.repository import Point
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import RevertReport

ATTEMPTS, EVENTS, REQUESTS, SAMPLES = 12, 400, 8, 20_000
HOURS = (1, 6, 24, 168)
FIRST = ("camera_fps", "inference_p95_s", "memory_bytes", "node_cpu_ratio")
"""What is drawn where nobody chose, the first of them that there is."""


@dataclass(frozen=True, slots=True)
class Slot:
    """`role`: runs, other, or empty."""

    name: str
    state: str
    release: str
    digest: str
    role: str


@dataclass(frozen=True, slots=True)
class Component:
    name: str
    runs: str
    digest: str
    wanted: str
    state: str
    slots: tuple[Slot, ...]
    previous_kept: bool
    why: WhyOut


@dataclass(frozen=True, slots=True)
class Step:
    """A line of an attempt's timeline; `progress` is a ratio."""

    at: datetime
    word: str
    message: str
    reason: str
    progress: float | None
    suspicious: str


@dataclass(frozen=True, slots=True)
class Attempt:
    row: Assignment
    steps: tuple[Step, ...]
    report: RevertReport | None
    proof: Mapping[str, Any]

    @property
    def word(self) -> str:
        return self.row.outcome or self.row.state


@dataclass(frozen=True, slots=True)
class Page:
    device: Device
    standing: str
    tags: tuple[str, ...]
    components: tuple[Component, ...]
    attempts: tuple[Attempt, ...]
    others: tuple[Step, ...]
    """What it said that belongs to no attempt: alarms and notices."""
    values: tuple[Point, ...]
    requests: tuple[DeviceRequest, ...]
    flags: tuple[Flag, ...]

    @property
    def waits(self) -> bool:
        """Whether it still owes an answer."""
        return any(row.answered_at is None for row in self.requests)


def read(session: Session, device_id: str, waiting: Callable[[str], str | None], now: datetime) -> Page:
    """`waiting` says of a component what its rollout waits for. Raises NotFound."""
    view = repository.views(session, [repository.device(session, device_id)])[0]
    events = repository.events(session, device_id, EVENTS)
    rows = repository.history(session, device_id, ATTEMPTS)
    known = {row.id for row in rows}
    return Page(
        device=view.device,
        standing=found.standing(view.device),
        tags=view.tags,
        components=tuple(_component(session, view, name, waiting(name), now) for name in found.components(view)),
        attempts=tuple(_attempt(row, [e for e in events if e.assignment_id == row.id]) for row in rows),
        others=tuple(_step(e) for e in events if e.assignment_id not in known)[:20],
        values=tuple(telemetry.latest(session, [device_id])),
        requests=tuple(requests(session, device_id)),
        flags=tuple(feedback.about(session, device_id=device_id)),
    )


def requests(session: Session, device_id: str) -> list[DeviceRequest]:
    """The newest first."""
    query = select(DeviceRequest).where(DeviceRequest.device_id == device_id)
    return list(session.exec(query.order_by(col(DeviceRequest.requested_at).desc()).limit(REQUESTS)))


def drawn(session: Session, device_id: str, metric: str, hours: int, now: datetime) -> Chart | None:
    """One metric of the device over the last hours; None where it said nothing of it."""
    start = now - timedelta(hours=hours)
    newest = telemetry.samples(session, [device_id], metric, since=start, limit=SAMPLES)
    return chart.draw([(point.at, point.value) for point in reversed(newest)], start, now)


def chosen(values: Sequence[Point], metric: str) -> str:
    """The metric to draw: the one asked for, else one that says how the device does."""
    names = [point.name for point in values]
    return metric if metric in names else next((name for name in FIRST if name in names), names[0] if names else "")


def _component(session: Session, view: DeviceView, name: str, waiting: str | None, now: datetime) -> Component:
    part = next((p for p in view.components if p.component == name), None)
    newest = {row.component: row for row in view.assignments}
    return Component(
        name=name,
        runs=(part.release_id or "") if part else "",
        digest=(part.digest or "") if part else "",
        wanted=view.wanted.get(name, ""),
        state=found.state_of(newest, part, name),
        slots=_slots(part) if part else (),
        previous_kept=part.previous_kept if part else True,
        why=why_of(session, view, name, now, waiting),
    )


def _slots(part: DeviceComponent) -> tuple[Slot, ...]:
    made = []
    for name, said in sorted(part.slots.items()):
        fields = said if isinstance(said, dict) else {}
        release, digest = str(fields.get("release") or ""), str(fields.get("digest") or "")
        role = "runs" if name == part.slot else "other" if release or digest else "empty"
        made.append(Slot(name, str(fields.get("state") or ""), release, digest, role))
    return tuple(made)


def _attempt(row: Assignment, events: Sequence[DeviceEvent]) -> Attempt:
    return Attempt(row, tuple(_step(e) for e in sorted(events, key=lambda e: e.id or 0)), _report(row), row.proof or {})


def _step(event: DeviceEvent) -> Step:
    return Step(
        at=event.received_at,
        word=event.outcome or event.state or event.kind,
        message=event.message,
        reason=event.reason or "",
        progress=event.progress,
        suspicious=event.suspicious or "",
    )


def _report(row: Assignment) -> RevertReport | None:
    """What an older or a broken device sent in another form is not shown; the event's message is."""
    if row.report is None:
        return None
    try:
        return wire.from_json(RevertReport, row.report)
    except Invalid:
        return None
