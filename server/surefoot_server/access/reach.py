"""What a role in scopes reaches: devices, rollouts, releases, cohorts, channels, drills, as sets of ids for a request.

Promises: a cohort's scope reaches its devices, the cohorts within it, the rollouts and drills that are to one of them
or have no other device, and the releases for its hardware; a channel's scope also the channel, and what is in it, in
the one before it or in none yet. Of the audit trail it reaches what is about these things, releases left out: what is
done to a release names cohorts and channels elsewhere. Read sessions of a request show nothing else (`shown`), whatever
the query was. Refuses to know routes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import Session, SQLModel, col, select

from surefoot_server.access.roles import Grant, ScopeKind
from surefoot_server.access.within import within
from surefoot_server.audit.models import AuditEntry
from surefoot_server.channels.models import Channel, ChannelEntry
from surefoot_server.cohorts import grammar, service, sql
from surefoot_server.cohorts.models import Cohort
from surefoot_server.db import names_in
from surefoot_server.devices.models import Device
from surefoot_server.drills.models import Drill, DrillDevice, DrillSchedule
from surefoot_server.releases.models import Release
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.errors import NotFound


class Over(str, Enum):
    """What a route is about, and so where somebody must have the role."""

    FLEET = "the fleet"
    DEVICE = "the device"
    ROLLOUT = "the rollout"
    RELEASE = "the release"
    COHORT = "the cohort"
    CHANNEL = "the channel"
    DRILL = "the drill"
    SCHEDULE = "the drill's schedule"
    ANYWHERE = "anywhere; what is elsewhere is left out"
    ORDER = "anywhere; what the request names is looked at"


@dataclass(frozen=True, slots=True)
class Reach:
    devices: frozenset[str]
    rollouts: frozenset[str]
    releases: frozenset[str]
    cohorts: frozenset[str]
    channels: frozenset[str]
    drills: frozenset[str]
    schedules: frozenset[str]
    scopes: tuple[str, ...]
    """The expressions of the cohorts and of the channels' cohorts."""

    def of(self, over: Over) -> frozenset[str]:
        kinds = {
            Over.DEVICE: self.devices,
            Over.ROLLOUT: self.rollouts,
            Over.RELEASE: self.releases,
            Over.COHORT: self.cohorts,
            Over.CHANNEL: self.channels,
            Over.DRILL: self.drills,
            Over.SCHEDULE: self.schedules,
        }
        return kinds[over]


def reach_of(session: Session, grants: Iterable[Grant]) -> Reach:
    """Read what grants in cohorts and channels reach now; those of the fleet are no matter of this."""
    held = list(grants)
    cohorts = {g.scope.name for g in held if g.scope.kind is ScopeKind.COHORT}
    channels = _channels(session, {g.scope.name for g in held if g.scope.kind is ScopeKind.CHANNEL})
    labels = cohorts | {row.cohort for row in channels}
    scopes = tuple(sorted({text for label in labels if (text := _expression(session, label))}))
    devices = frozenset(device for text in scopes for device in service.devices(session, text))
    within_them = {row.name for row in sql.saved(session) if _within(row.expression, scopes)}
    return Reach(
        devices=devices,
        rollouts=frozenset(_rollouts(session, labels | within_them, devices)),
        releases=frozenset(_releases(session, channels, devices)),
        cohorts=frozenset(within_them),
        channels=frozenset(row.name for row in channels),
        drills=frozenset(_drills(session, labels | within_them, devices)),
        schedules=frozenset(_schedules(session, within_them, scopes)),
        scopes=scopes,
    )


def covers(session: Session, reach: Reach, expression: str) -> bool:
    """Whether every device that an expression means is in reach."""
    return reach.devices.issuperset(sql.matching(session, grammar.parse(expression)))


def shown(reach: Reach) -> tuple[ExecutableOption, ...]:
    """What leaves everything else out of a session's reads: for each table by the thing that its rows are about."""
    return tuple(_criteria(reach))


def _criteria(reach: Reach) -> Iterator[ExecutableOption]:
    about: tuple[tuple[type[SQLModel], frozenset[str]], ...] = (
        (Device, reach.devices),
        (Rollout, reach.rollouts),
        (Release, reach.releases),
        (Drill, reach.drills),
    )
    for model, ids in about:
        yield with_loader_criteria(model, names_in(_column(model, "id"), ids))
    for named, names in ((Cohort, reach.cohorts), (Channel, reach.channels)):
        yield with_loader_criteria(named, names_in(_column(named, "name"), names))
    yield with_loader_criteria(
        DrillSchedule, names_in(sa.cast(_column(DrillSchedule, "id"), sa.String), reach.schedules)
    )
    yield with_loader_criteria(AuditEntry, names_in(_column(AuditEntry, "object"), _objects(reach)))
    for model in _models():
        if (condition := _condition(model, reach)) is not None:
            yield with_loader_criteria(model, condition)


def _condition(model: type[SQLModel], reach: Reach) -> sa.ColumnElement[bool] | None:
    """By the device where a row has one, else by rollout, channel or release."""
    about: dict[str, Collection[str]] = {
        "device_id": reach.devices,
        "rollout_id": reach.rollouts,
        "channel": reach.channels,
        "release_id": reach.releases,
    }
    columns = sa.inspect(model).columns
    wanted = [(columns[name], ids) for name, ids in about.items() if name in columns]
    if not wanted:
        return None
    found: sa.ColumnElement[bool] = sa.false()
    for column, ids in reversed(wanted):
        found = names_in(column, ids) | (column.is_(None) & found) if column.nullable else names_in(column, ids)
    return found


def _models() -> list[type[SQLModel]]:
    return [mapper.class_ for mapper in SQLModel._sa_registry.mappers]


def _column(model: type[SQLModel], name: str) -> Any:
    return getattr(model, name)


def _channels(session: Session, names: Collection[str]) -> list[Channel]:
    return list(session.exec(select(Channel).where(col(Channel.name).in_(names))))


def _objects(reach: Reach) -> frozenset[str]:
    """As the audit trail names them."""
    kinds = {
        "device": reach.devices,
        "rollout": reach.rollouts,
        "cohort": reach.cohorts,
        "channel": reach.channels,
        "drill": reach.drills,
        "drill-schedule": reach.schedules,
    }
    return frozenset(f"{kind}:{name}" for kind, names in kinds.items() for name in names)


def _expression(session: Session, label: str) -> str:
    try:
        return service.resolve(session, label).expression
    except NotFound:  # a cohort that is gone reaches nobody
        return ""


def _within(expression: str, scopes: Iterable[str]) -> bool:
    return within(grammar.parse(expression), [grammar.parse(scope) for scope in scopes])


def _rollouts(session: Session, labels: Collection[str], devices: Collection[str]) -> list[str]:
    mine = sa.and_(col(RolloutMember.rollout_id) == col(Rollout.id), ~names_in(col(RolloutMember.device_id), devices))
    elsewhere = sa.exists().where(mine)
    return list(session.exec(select(Rollout.id).where(col(Rollout.cohort).in_(labels) | ~elsewhere)))


def _drills(session: Session, labels: Collection[str], devices: Collection[str]) -> list[str]:
    whose = col(DrillDevice.drill_id) == col(Drill.id)
    mine = sa.exists().where(whose, names_in(col(DrillDevice.device_id), devices))
    elsewhere = sa.exists().where(whose, ~names_in(col(DrillDevice.device_id), devices))
    return list(session.exec(select(Drill.id).where(col(Drill.cohort).in_(labels) | mine & ~elsewhere)))


def _schedules(session: Session, names: Collection[str], scopes: Collection[str]) -> Iterator[str]:
    """Those of cohorts within the scopes: what runs again and again must not come to reach beyond them."""
    for schedule, cohort in session.exec(select(DrillSchedule.id, DrillSchedule.cohort)):
        if cohort in names if service.is_name(cohort) else _within(cohort, scopes):
            yield str(schedule)


def _releases(session: Session, channels: Collection[Channel], devices: Collection[str]) -> Iterator[str]:
    hardware = set(session.exec(select(Device.hw).where(names_in(col(Device.id), devices)).distinct()))
    for release_id, hw in session.exec(select(Release.id, Release.hw)):
        if hardware.intersection(hw):
            yield release_id
    if not channels:
        return
    wanted = {row.name for row in channels} | {row.after for row in channels if row.after}
    held: dict[str, set[str]] = {}
    for channel, release_id in session.exec(select(ChannelEntry.channel, ChannelEntry.release_id)):
        held.setdefault(release_id, set()).add(channel)
    for release_id in session.exec(select(Release.id)):
        if not held.get(release_id) or wanted & held[release_id]:
            yield release_id
