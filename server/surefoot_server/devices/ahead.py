"""Read what is known of many devices in a few statements, so that who then asks for one of them asks no database.

Promises: what was read is the session's own, so `Session.get` finds it; nothing is read that a narrowed session may not
see. A device that is not read ahead is read when it is asked for, as ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from sqlmodel import Session, SQLModel, col, select

from surefoot_server import db
from surefoot_server.devices.models import Assignment, Device, DeviceComponent, DeviceStream
from surefoot_server.releases.models import Release

AHEAD = "surefoot_ahead"
"""A session's own rows: without a hold on them it would forget those that nobody uses at the moment."""
Row = TypeVar("Row", bound=SQLModel)


def devices(session: Session, device_ids: Collection[str]) -> None:
    """Their rows, with what each runs and how far its streams are stored."""
    mine = frozenset(device_ids)
    _hold(session, session.exec(select(Device).where(db.names_in(col(Device.id), mine))))
    _hold(session, session.exec(select(DeviceComponent).where(db.names_in(col(DeviceComponent.device_id), mine))))
    _hold(session, session.exec(select(DeviceStream).where(db.names_in(col(DeviceStream.device_id), mine))))


def assignments(session: Session, ids: Collection[str]) -> None:
    if ids:
        _hold(session, session.exec(select(Assignment).where(db.names_in(col(Assignment.id), frozenset(ids)))))


def wanted(session: Session, device_ids: Collection[str]) -> Mapping[str, list[Assignment]]:
    """What belongs into each device's bundle, as `repository.wanted` finds it for one, with the releases."""
    mine = db.names_in(col(Assignment.device_id), frozenset(device_ids))
    query = select(Assignment).where(mine, col(Assignment.wanted).is_(True))
    rows = _hold(session, session.exec(query.order_by(Assignment.component, col(Assignment.seq).desc())))
    newest: dict[str, dict[str, Assignment]] = {name: {} for name in device_ids}
    for row in rows:
        newest[row.device_id].setdefault(row.component, row)
    found = {name: list(of_component.values()) for name, of_component in newest.items()}
    releases = frozenset(row.release_id for rows in found.values() for row in rows)
    _hold(session, session.exec(select(Release).where(db.names_in(col(Release.id), releases))))
    return found


def _hold(session: Session, rows: Iterable[Row]) -> list[Row]:
    found = list(rows)
    session.info.setdefault(AHEAD, []).extend(found)
    return found
