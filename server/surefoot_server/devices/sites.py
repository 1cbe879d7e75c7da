"""Sites: the devices that name the same `site`, how they stand together, and where the site is on the map.

A site's place is the `latitude` and `longitude` (decimal degrees) among its devices' own attributes: of the first by id
that has both. So an enrolment token of a site can carry it, and cohorts may ask for it like for any attribute.
Promises: `place` gives it to exactly the devices that were confirmed, in one transaction with one audit row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from surefoot_server.audit import service as audit
from surefoot_server.devices.models import Assignment, Device
from surefoot_shared.errors import Conflict, Invalid, NotFound

SITE, LATITUDE, LONGITUDE = "site", "latitude", "longitude"


@dataclass(frozen=True, slots=True)
class Site:
    """Devices that are revoked do not count. `latitude` and `longitude` are None where no device says them."""

    name: str
    devices: int = 0
    online: int = 0
    attention: int = 0
    updating: int = 0
    latitude: float | None = None
    longitude: float | None = None

    @property
    def state(self) -> str:
        """The worst that holds: attention, offline (all of them), updating, online."""
        if self.attention:
            return "attention"
        if not self.online:
            return "offline"
        return "updating" if self.updating else "online"


def sites(session: Session) -> list[Site]:
    """Every site that a device names, by name."""
    at_work = set(session.exec(select(Assignment.device_id).where(col(Assignment.open).is_(True)).distinct()))
    query = select(Device.id, Device.attributes, Device.online, Device.attention)
    found: dict[str, Site] = {}
    for device, attributes, online, attention in session.exec(
        query.where(col(Device.revoked_at).is_(None)).order_by(Device.id)
    ):
        if name := attributes.get(SITE, ""):
            before = found.get(name) or Site(name)
            where = (before.latitude, before.longitude) if before.latitude is not None else _place(attributes)
            found[name] = replace(
                before,
                devices=before.devices + 1,
                online=before.online + bool(online),
                attention=before.attention + (attention is not None),
                updating=before.updating + (device in at_work),
                latitude=where[0],
                longitude=where[1],
            )
    return [found[name] for name in sorted(found)]


def devices(session: Session, name: str) -> list[str]:
    """The ids of its devices; those that are revoked do not count."""
    return list(session.exec(select(Device.id).where(*_at(name))))


def place(
    session: Session, name: str, latitude: float, longitude: float, confirmed: int, actor: str, now: datetime
) -> int:
    """Say where a site is, on all of its devices; return how many. Raises Invalid, NotFound, Conflict."""
    if _place({LATITUDE: str(latitude), LONGITUDE: str(longitude)})[0] is None:
        hint = "Latitude is from -90 to 90 and longitude from -180 to 180, in decimal degrees."
        raise Invalid("malformed", f"{latitude}, {longitude} is no place on Earth.", hint)
    rows = list(session.exec(select(Device).where(*_at(name))))
    if not rows:
        raise NotFound("not_found", f"No device names the site {name!r}.", "`surefoot site list` shows all.")
    if len(rows) != confirmed:
        message = f"{name} has {len(rows):,} devices now and {confirmed:,} were confirmed, so nothing was changed."
        raise Conflict("conflict", message, "Look at them again and confirm the new number.")
    before = _first(row.attributes for row in rows)
    after = {LATITUDE: f"{latitude:g}", LONGITUDE: f"{longitude:g}"}
    for row in rows:
        row.attributes = {**row.attributes, **after}
        session.add(row)
    session.flush()
    detail = {"before": before, "after": after, "devices": len(rows)}
    audit.record(session, actor, "site.place", f"site:{name}", detail, now)
    return len(rows)


def _at(name: str) -> tuple[ColumnElement[bool], ...]:
    return (col(Device.attributes)[SITE].as_string() == name, col(Device.revoked_at).is_(None))


def _first(every: Iterable[Mapping[str, str]]) -> dict[str, str]:
    for attributes in every:
        if _place(attributes)[0] is not None:
            return {name: attributes[name] for name in (LATITUDE, LONGITUDE)}
    return {}


def _place(attributes: Mapping[str, str]) -> tuple[float | None, float | None]:
    try:
        latitude, longitude = float(attributes[LATITUDE]), float(attributes[LONGITUDE])
    except (KeyError, ValueError):
        return None, None
    good = math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180
    return (latitude, longitude) if good else (None, None)
