"""The list of devices as a page shows it: what each component runs and is wanted to run, how it stands, and why.

Promises: a page of devices costs a handful of queries, whatever the size of the fleet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlmodel import Session

from surefoot_server.devices import repository, search
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.repository import DeviceView
from surefoot_server.devices.search import Selection, Tally
from surefoot_server.devices.views import why_of
from surefoot_shared.errors import SurefootError

PAGE = 50
"""Rows that a person looks over; a page of them stays below 100 kB."""


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a device; `since` is when its state or what it runs last changed."""

    component: str
    runs: str
    wanted: str
    state: str
    since: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    hw: str
    standing: str
    tags: tuple[str, ...]
    last_seen_at: datetime | None
    attention: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """`problem` is set where the cohort cannot be read; nothing is found then. `after` leads to the next page."""

    selection: Selection
    tally: Tally
    rows: tuple[Row, ...] = ()
    after: str = ""
    problem: SurefootError | None = None

    def address(self, **more: str) -> str:
        return address(self.selection, **more)


def address(selection: Selection, **more: str) -> str:
    """Where these devices are listed, with further parts; an empty one is left out."""
    parts = {
        "q": selection.text,
        "cohort": selection.cohort,
        "is": selection.standing.value if selection.standing else "",
    }
    given = {name: text for name, text in {**parts, **more}.items() if text}
    return f"/devices?{urlencode(given)}" if given else "/devices"


def find(session: Session, selection: Selection, after: str, now: datetime) -> Found:
    try:
        tally = search.tally(session, selection)
    except SurefootError as error:
        return Found(selection, Tally(0, 0, 0), problem=error)
    devices = search.page(session, selection, PAGE + 1, after)
    views = repository.views(session, devices[:PAGE])
    rows = tuple(row(session, view, now) for view in views)
    return Found(selection, tally, rows, devices[PAGE - 1].id if len(devices) > PAGE else "")


def row(session: Session, view: DeviceView, now: datetime) -> Row:
    device = view.device
    return Row(
        id=device.id,
        hw=device.hw,
        standing=standing(device),
        tags=view.tags,
        last_seen_at=device.last_seen_at,
        attention=device.attention or "",
        parts=tuple(_part(session, view, name, now) for name in components(view)),
    )


def standing(device: Device) -> str:
    return "revoked" if device.revoked_at else "online" if device.online else "offline"


def components(view: DeviceView) -> Sequence[str]:
    """The names of its components; those it never reported where something is wanted of them."""
    named = {part.component for part in view.components} | {row.component for row in view.assignments}
    return sorted(named)


def state_of(assignments: Mapping[str, Assignment], part: DeviceComponent | None, name: str) -> str:
    """Where its attempt stands, or how the last one ended, or what the component says."""
    row = assignments.get(name)
    if row is not None and row.open:
        return row.state
    return (row.outcome if row else None) or (part.state if part else "idle")


def unknown(component: str, digest: str | None) -> str:
    """What is running, where no release of this server has that digest."""
    return f"{component}/{digest[:12]}…" if digest else ""


def _part(session: Session, view: DeviceView, name: str, now: datetime) -> Part:
    part = next((p for p in view.components if p.component == name), None)
    newest = {a.component: a for a in view.assignments}
    attempt = newest.get(name)
    return Part(
        component=name,
        runs=(part.release_id or unknown(name, part.digest)) if part else "",
        wanted=view.wanted.get(name, ""),
        state=state_of(newest, part, name),
        since=attempt.ended_at or attempt.state_at if attempt else part.updated_at if part else None,
        why=why_of(session, view, name, now, None).sentence,
    )
