"""Find devices: by text as it is typed, by the cohort language, by how they stand; page by page, or all of them.

Promises: one meaning in API, command line and console; a page costs what it shows and one look over the ids, whatever
the size of the fleet (10,000 devices: `make bench ONLY=search`). Every word must be found, in any of id, hardware,
attributes, tags and running releases; case does not count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

import sqlalchemy as sa
from sqlalchemy import ColumnElement, String, cast, func
from sqlmodel import Session, col, select

from surefoot_server.cohorts import grammar, sql
from surefoot_server.cohorts import service as cohorts
from surefoot_server.db import names_in
from surefoot_server.devices.models import Assignment, Device, DeviceComponent, DeviceTag
from surefoot_server.releases.models import Release

WORDS = 8
"""More than a person types; each costs a look over the fleet."""

Condition = ColumnElement[bool]


class Standing(str, Enum):
    """How a device stands, apart from what it is: no cohort may ask it, since it changes by the minute."""

    ONLINE = "online"
    OFFLINE = "offline"
    ATTENTION = "attention"
    UPDATING = "updating"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which devices are meant; all that is given must hold.

    `cohort` is a saved name or an expression, empty is everybody; `within` are the devices in reach of who asks.
    """

    text: str = ""
    cohort: str = ""
    standing: Standing | None = None
    within: frozenset[str] | None = None

    @property
    def everybody(self) -> bool:
        return not (self.text.split() or self.cohort or self.standing)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many devices are meant, and how these stand."""

    devices: int
    online: int
    attention: int


def page(session: Session, selection: Selection, limit: int, after: str = "") -> list[Device]:
    """Devices in the order of their ids, from the one after `after`. Raises NotFound or Invalid for the cohort."""
    query = select(Device).where(Device.id > after, *conditions(session, selection))
    return list(session.exec(query.order_by(Device.id).limit(limit)))


def ids(session: Session, selection: Selection) -> list[str]:
    """All of them, sorted."""
    return list(session.exec(select(Device.id).where(*conditions(session, selection)).order_by(Device.id)))


def tally(session: Session, selection: Selection) -> Tally:
    online, attention = (func.count().filter(_stands(each)) for each in (Standing.ONLINE, Standing.ATTENTION))
    counts = select(func.count(), online, attention).select_from(Device)
    devices, online, attention = session.exec(counts.where(*conditions(session, selection))).one()
    return Tally(devices, online, attention)


def conditions(session: Session, selection: Selection) -> list[Condition]:
    """On `device`; reads the tags and releases that hold the words. Raises NotFound or Invalid for the cohort."""
    found = [_holds(session, word) for word in selection.text.split()[:WORDS]]
    if selection.cohort:
        expression = cohorts.resolve(session, selection.cohort).expression
        found.append(sql.condition(session, grammar.parse(expression)))
    if selection.standing is not None:
        found.append(_stands(selection.standing))
    if selection.within is not None:
        found.append(names_in(Device.id, selection.within))
    return found


def _holds(session: Session, word: str) -> Condition:
    """Tags and releases are few and devices are many: what matches is looked up among those first."""
    text = col(Device.id) + "\n" + col(Device.hw) + "\n" + cast(Device.attributes, String)
    ways: list[Condition] = [text.icontains(word, autoescape=True)]
    if not word.isascii():  # attributes are JSON, which is stored in ASCII
        ways.append(cast(Device.attributes, String).icontains(json.dumps(word)[1:-1], autoescape=True))
    if tags := [tag for tag in all_tags(session) if word.casefold() in tag.casefold()]:
        ways.append(col(Device.id).in_(select(DeviceTag.device_id).where(col(DeviceTag.tag).in_(tags))))
    releases = list(session.exec(select(Release.id).where(col(Release.id).icontains(word, autoescape=True))))
    if releases:
        running = select(DeviceComponent.device_id).where(col(DeviceComponent.release_id).in_(releases))
        ways.append(col(Device.id).in_(running))
    return sa.or_(*ways)


def all_tags(session: Session) -> list[str]:
    """Every tag that a device has, once, sorted: from step to step through the index, not over all devices."""
    first = sa.select(func.min(DeviceTag.tag).label("tag")).cte("seen", recursive=True)
    following = sa.select(func.min(col(DeviceTag.tag))).where(col(DeviceTag.tag) > first.c.tag).scalar_subquery()
    seen = first.union_all(sa.select(following).where(first.c.tag.is_not(None)))
    return sorted(session.exec(select(seen.c.tag).where(seen.c.tag.is_not(None))))


def _stands(standing: Standing) -> Condition:
    match standing:
        case Standing.ONLINE:
            return sa.and_(col(Device.online).is_(True), col(Device.revoked_at).is_(None))
        case Standing.OFFLINE:
            return sa.and_(col(Device.online).is_(False), col(Device.revoked_at).is_(None))
        case Standing.ATTENTION:
            return col(Device.attention).is_not(None)
        case Standing.REVOKED:
            return col(Device.revoked_at).is_not(None)
        case Standing.UPDATING:
            at_work = select(Assignment.device_id).where(col(Assignment.open).is_(True))
            return col(Device.id).in_(at_work)
