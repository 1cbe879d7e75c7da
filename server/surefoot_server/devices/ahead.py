"""Read what is known of many devices in a few statements, so that who then asks for one of them asks no database.

Promises: what was read is the session's own, so `Session.get` finds it; nothing is read that a narrowed session may not
see. A device that is not read ahead is read when it is asked for, as ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from sqlalchemy import func
from sqlalchemy.orm.util import identity_key
from sqlmodel import Session, SQLModel, col, select

from surefoot_server import db
from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment, Device, DeviceComponent, DeviceEvent, DeviceStream
from surefoot_server.releases.models import Release

AHEAD = "surefoot_ahead"
"""A session's own rows: without a hold on them it would forget those that nobody uses at the moment."""
NUMBERS, WISHES = "surefoot_numbers", "surefoot_wishes"
Row = TypeVar("Row", bound=SQLModel)


def devices(session: Session, device_ids: Collection[str]) -> None:
    """Their rows, with what each runs and how far its streams are stored."""
    mine = frozenset(device_ids)
    _hold(session, session.exec(select(Device).where(db.names_in(col(Device.id), mine))))
    _hold(session, session.exec(select(DeviceComponent).where(db.names_in(col(DeviceComponent.device_id), mine))))
    _hold(session, session.exec(select(DeviceStream).where(db.names_in(col(DeviceStream.device_id), mine))))


def numbers(session: Session, device_ids: Collection[str]) -> None:
    """The highest number that is stored of each of their streams."""
    mine = (col(DeviceEvent.device_id) == DeviceStream.device_id, col(DeviceEvent.stream) == DeviceStream.stream)
    highest = select(func.max(DeviceEvent.seq)).where(*mine).scalar_subquery()
    query = select(DeviceStream.device_id, DeviceStream.stream, highest)
    found = session.exec(query.where(db.names_in(col(DeviceStream.device_id), frozenset(device_ids))))
    _numbers(session).update({(device_id, stream): seq or 0 for device_id, stream, seq in found})


def highest_seq(session: Session, device_id: str, stream: str) -> int:
    """As `repository.highest_seq` finds it, asked for once in a transaction; see `stored`."""
    known = _numbers(session)
    if (device_id, stream) not in known:
        known[device_id, stream] = repository.highest_seq(session, device_id, stream)
    return known[device_id, stream]


def stored(session: Session, device_id: str, stream: str, seq: int) -> None:
    """An event with this number is stored from now on."""
    _numbers(session)[device_id, stream] = max(seq, highest_seq(session, device_id, stream))


def _numbers(session: Session) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = session.info.setdefault(NUMBERS, {})
    return found


def assignments(session: Session, ids: Collection[str]) -> None:
    new = frozenset(name for name in ids if session.identity_map.get(identity_key(Assignment, name)) is None)
    if new:
        _hold(session, session.exec(select(Assignment).where(db.names_in(col(Assignment.id), new))))


def orders(session: Session, device_ids: Collection[str]) -> Mapping[str, list[Assignment]]:
    """What belongs into each device's bundle, as `repository.wanted` finds it for one, with the releases."""
    wishes(session, device_ids)
    found = {name: wanted(session, name) for name in device_ids}
    releases = frozenset(row.release_id for rows in found.values() for row in rows)
    _hold(session, session.exec(select(Release).where(db.names_in(col(Release.id), releases))))
    return found


def wishes(session: Session, device_ids: Collection[str]) -> None:
    """What is wanted of these devices, for `wanted`."""
    mine = db.names_in(col(Assignment.device_id), frozenset(device_ids))
    query = select(Assignment).where(mine, col(Assignment.wanted).is_(True))
    known = _wishes(session)
    known.update({name: [] for name in device_ids})
    for row in _hold(session, session.exec(query.order_by(Assignment.component, col(Assignment.seq).desc()))):
        known[row.device_id].append(row)


def wanted(session: Session, device_id: str) -> list[Assignment]:
    """As `repository.wanted`; in a transaction that gives orders of its own, ask that."""
    known = _wishes(session)
    if device_id not in known:
        return repository.wanted(session, device_id)
    newest: dict[str, Assignment] = {}
    for row in known[device_id]:
        if row.wanted:
            newest.setdefault(row.component, row)
    return list(newest.values())


def _wishes(session: Session) -> dict[str, list[Assignment]]:
    found: dict[str, list[Assignment]] = session.info.setdefault(WISHES, {})
    return found


def _hold(session: Session, rows: Iterable[Row]) -> list[Row]:
    found = list(rows)
    session.info.setdefault(AHEAD, []).extend(found)
    return found
