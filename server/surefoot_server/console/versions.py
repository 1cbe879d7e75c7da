"""Versions over time: how many devices ran which release, read back from what they committed.

Promises: today's counts are what devices say they run; each earlier moment is today's without the commits since, so the
picture needs no history of its own and is right back to the first signed report. Refuses to draw what it cannot tell:
a device counts from its enrolment on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_shared.status import Outcome

DAYS = 7
STEPS = 42
"""Four hours each: more would not be seen at the width of a page."""
NAMED = 5
"""Releases with a colour of their own; the others are one area."""
OTHERS = ""


@dataclass(frozen=True, slots=True)
class Area:
    """One release's part of the stack; `counts` and `below` have one entry for each moment."""

    release: str
    counts: tuple[int, ...]
    below: tuple[int, ...]

    @property
    def now(self) -> int:
        return self.counts[-1]


@dataclass(frozen=True, slots=True)
class Versions:
    component: str
    moments: tuple[datetime, ...]
    areas: tuple[Area, ...]

    @property
    def top(self) -> int:
        """The most devices at any moment."""
        return max((a.counts[i] + a.below[i] for a in self.areas for i in range(len(a.counts))), default=0)

    def points(self, area: Area) -> str:
        """The area as points of an SVG polygon in a box of 100 by 100; steps, since a device runs one or the other."""
        top, columns = max(1, self.top), len(self.moments)
        upper: list[tuple[float, float]] = []
        lower: list[tuple[float, float]] = []
        for index, count in enumerate(area.counts):
            for points, value in ((upper, area.below[index] + count), (lower, area.below[index])):
                y = 100.0 - 100.0 * value / top
                points += [(100.0 * index / columns, y), (100.0 * (index + 1) / columns, y)]
        return " ".join(f"{round(x, 2):g},{round(y, 2):g}" for x, y in upper + lower[::-1])


def read(session: Session, now: datetime, component: str = "") -> Versions | None:
    """The versions of a component, or of the one that most devices report; None where none reports a release."""
    running = _running(session)
    chosen = component if any(c == component for c, _ in running) else _most(running)
    if chosen is None:
        return None
    begin = now - timedelta(days=DAYS)
    moments = tuple(begin + timedelta(days=DAYS) * i / STEPS for i in range(STEPS + 1))
    counts = Counter({release: n for (c, release), n in running.items() if c == chosen})
    at: list[Counter[str]] = [Counter(counts)]
    steps = _steps(session, chosen, moments)
    for index in range(STEPS - 1, -1, -1):
        for (release, previous), n in steps.get(index, Counter()).items():
            counts[release] -= n
            if previous:
                counts[previous] += n
        at.append(Counter(counts))
    return Versions(chosen, moments, _areas(at[::-1]))


def components(session: Session) -> list[str]:
    return sorted({component for component, _ in _running(session)})


def _running(session: Session) -> dict[tuple[str, str], int]:
    query = (
        select(DeviceComponent.component, DeviceComponent.release_id, sa.func.count())
        .where(col(DeviceComponent.release_id).is_not(None))
        .group_by(col(DeviceComponent.component), col(DeviceComponent.release_id))
    )
    return {(component, str(release)): count for component, release, count in session.exec(query)}


def _most(running: dict[tuple[str, str], int]) -> str | None:
    totals = Counter[str]()
    for (component, _), count in running.items():
        totals[component] += count
    return max(totals, key=lambda name: (totals[name], name), default=None)


def _steps(session: Session, component: str, moments: Sequence[datetime]) -> dict[int, Counter[tuple[str, str]]]:
    """Index of the stretch → (release, the one before) → how many devices committed it in that stretch.

    An enrolment without a commit of ours counts as a step from nothing.
    """
    found: dict[int, Counter[tuple[str, str]]] = {}
    stretch = sa.case(*((col(Assignment.ended_at) < end, i) for i, end in enumerate(moments[1:])), else_=STEPS - 1)
    commits = (
        select(stretch.label("stretch"), Assignment.release_id, Assignment.previous_release_id, sa.func.count())
        .where(
            Assignment.component == component,
            Assignment.outcome == Outcome.COMMITTED.value,
            col(Assignment.ended_at) >= moments[0],
        )
        .group_by(sa.text("stretch"), col(Assignment.release_id), col(Assignment.previous_release_id))
    )
    for index, release, previous, count in session.exec(commits):
        found.setdefault(index, Counter())[(release, previous or "")] += count
    for index, began, devices in _newcomers(session, component, moments):
        found.setdefault(index, Counter())[(began, "")] += devices
    return found


def _newcomers(session: Session, component: str, moments: Sequence[datetime]) -> Iterable[tuple[int, str, int]]:
    """Devices that enrolled within the time, by what they ran before the first release of ours, for each stretch."""
    first = (
        sa.select(col(Assignment.previous_release_id))
        .where(
            col(Assignment.device_id) == col(Device.id),
            col(Assignment.component) == component,
            col(Assignment.outcome) == Outcome.COMMITTED.value,
        )
        .order_by(col(Assignment.ended_at))
        .limit(1)
        .scalar_subquery()
    )
    began = sa.func.coalesce(first, col(DeviceComponent.release_id))
    stretch = sa.case(*((col(Device.enrolled_at) < end, i) for i, end in enumerate(moments[1:])), else_=STEPS - 1)
    query = (
        select(stretch.label("stretch"), began.label("began"), sa.func.count())
        .select_from(Device)
        .join(
            DeviceComponent,
            sa.and_(col(DeviceComponent.device_id) == col(Device.id), col(DeviceComponent.component) == component),
        )
        .where(col(Device.enrolled_at) >= moments[0], col(DeviceComponent.release_id).is_not(None))
        .group_by(sa.text("stretch"), sa.text("began"))
    )
    return [(index, release, devices) for index, release, devices in session.exec(query)]


def _areas(at: Sequence[Counter[str]]) -> tuple[Area, ...]:
    """The releases that matter most in the time, each on top of the one before; the rest together at the bottom."""
    weight = Counter[str]()
    for counts in at:
        for release, count in counts.items():
            weight[release] += max(0, count)
    seen = [release for release, total in weight.most_common() if total > 0]
    named, rest = sorted(seen[:NAMED]), seen[NAMED:]
    below = [0] * len(at)
    areas = []
    for release, members in [(OTHERS, rest)] * bool(rest) + [(name, [name]) for name in named]:
        heights = tuple(sum(max(0, c[m]) for m in members) for c in at)
        areas.append(Area(release, heights, tuple(below)))
        below = [a + b for a, b in zip(below, heights, strict=True)]
    return tuple(areas)
