"""What a role in scopes reaches: devices, rollouts, releases, cohorts and channels, as sets of ids for one request.

Promises: a cohort's scope reaches its devices, the rollouts that are to it or have no other device, and the releases
for its hardware; a channel's scope also the channel, and what is in it, in the one before it or in none yet. Read
sessions of a request show nothing else (`shown`), whatever the query was. Refuses to know routes.
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
from surefoot_server.channels.models import Channel, ChannelEntry
from surefoot_server.cohorts import grammar, service, sql
from surefoot_server.cohorts.models import Cohort
from surefoot_server.db import names_in
from surefoot_server.devices.models import Device
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
    ANYWHERE = "anywhere; what is elsewhere is left out"
    ORDER = "anywhere; what the request names is looked at"


@dataclass(frozen=True, slots=True)
class Reach:
    devices: frozenset[str]
    rollouts: frozenset[str]
    releases: frozenset[str]
    cohorts: frozenset[str]
    channels: frozenset[str]

    def of(self, over: Over) -> frozenset[str]:
        kinds = {
            Over.DEVICE: self.devices,
            Over.ROLLOUT: self.rollouts,
            Over.RELEASE: self.releases,
            Over.COHORT: self.cohorts,
            Over.CHANNEL: self.channels,
        }
        return kinds[over]


def reach_of(session: Session, grants: Iterable[Grant]) -> Reach:
    """Read what grants in cohorts and channels reach now; those of the fleet are no matter of this."""
    held = list(grants)
    cohorts = {g.scope.name for g in held if g.scope.kind is ScopeKind.COHORT}
    channels = _channels(session, {g.scope.name for g in held if g.scope.kind is ScopeKind.CHANNEL})
    labels = cohorts | {row.cohort for row in channels}
    devices = frozenset(device for label in labels for device in _devices(session, label))
    return Reach(
        devices=devices,
        rollouts=frozenset(_rollouts(session, labels, devices)),
        releases=frozenset(_releases(session, channels, devices)),
        cohorts=frozenset(row.name for row in sql.saved(session) if row.name in labels),
        channels=frozenset(row.name for row in channels),
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
    )
    for model, ids in about:
        yield with_loader_criteria(model, names_in(_column(model, "id"), ids))
    for named, names in ((Cohort, reach.cohorts), (Channel, reach.channels)):
        yield with_loader_criteria(named, names_in(_column(named, "name"), names))
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


def _devices(session: Session, label: str) -> list[str]:
    try:
        return service.devices(session, service.resolve(session, label).expression)
    except NotFound:  # a cohort that is gone reaches nobody
        return []


def _rollouts(session: Session, labels: Collection[str], devices: Collection[str]) -> list[str]:
    mine = sa.and_(col(RolloutMember.rollout_id) == col(Rollout.id), ~names_in(col(RolloutMember.device_id), devices))
    elsewhere = sa.exists().where(mine)
    return list(session.exec(select(Rollout.id).where(col(Rollout.cohort).in_(labels) | ~elsewhere)))


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
