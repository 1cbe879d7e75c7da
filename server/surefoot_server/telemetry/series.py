"""Which number stands for which series, remembered by the one writer so that known series cost no query.

Promises: ids that a rolled-back transaction gave are forgotten with it (`keep` is called after the commit); memory is
bounded: beyond DEVICES_LIMIT the devices not heard of for longest are read anew when they speak.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.telemetry.models import TelemetrySeries
from surefoot_shared.status import SlotName

Said = tuple[str, str | None, str | None, SlotName | None]
"""metric, component, release digest and slot, as a sample says them."""
Key = tuple[str, str, str, str]
"""The same as they are stored: empty where it is the node's own."""
SERIES_LIMIT = 5000
"""Series of one device: two hundred metrics over the releases of a year."""
DEVICES_LIMIT = 20_000
QUERY_DEVICES = 500


class Cache:
    """One for each writer; not for several threads."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Said, int]] = {}
        self._new: dict[str, dict[Said, int]] = {}

    def ids(self, session: Session, wanted: Sequence[tuple[str, Said, int, float]]) -> list[int | None]:
        """The series of each (device, what it says, …), made where it is new; None beyond the limit."""
        self._new = {}
        known = self._known
        found = [known[row[0]].get(row[1]) if row[0] in known else None for row in wanted]
        if None in found:
            missing = {row[:2]: None for row, number in zip(wanted, found, strict=True) if number is None}
            self._learn(session, list(missing))
            found = [number or self._new[row[0]].get(row[1]) for row, number in zip(wanted, found, strict=True)]
        return found

    def keep(self) -> None:
        """The transaction is committed: remember what it made."""
        for device_id, new in self._new.items():
            self._known[device_id] = {**self._known.pop(device_id, {}), **new}
        while len(self._known) > DEVICES_LIMIT:
            self._known.pop(next(iter(self._known)))
        self._new = {}

    def _learn(self, session: Session, missing: Sequence[tuple[str, Said]]) -> None:
        devices = sorted({device for device, _ in missing})
        there = _read(session, devices)
        rows = []
        for device, said in missing:
            key = _stored(said)
            if key not in there[device] and len(there[device]) < SERIES_LIMIT:
                there[device][key] = 0
                rows.append(
                    dict(zip(("device_id", "name", "component", "digest", "slot"), (device, *key), strict=True))
                )
        if rows:
            db.insert_ignoring(session, TelemetrySeries, [{**row, "last_at_ms": 0, "last_value": 0.0} for row in rows])
            there = _read(session, devices)
        self._new = {device: {} for device in devices}
        for device, said in missing:
            number = there[device].get(_stored(said))
            if number:
                self._new[device][said] = number


def _stored(said: Said) -> Key:
    name, component, digest, slot = said
    return name, (component or "")[:32], (digest or "")[:64], slot.value if slot else ""


def _read(session: Session, devices: Sequence[str]) -> dict[str, dict[Key, int]]:
    found: dict[str, dict[Key, int]] = {device: {} for device in devices}
    s = db.table_of(TelemetrySeries).c
    for start in range(0, len(devices), QUERY_DEVICES):
        some = devices[start : start + QUERY_DEVICES]
        query = sa.select(s.device_id, s.name, s.component, s.digest, s.slot, s.id).where(s.device_id.in_(some))
        for device_id, name, component, digest, slot, number in session.connection().execute(query):
            found[device_id][name, component, digest, slot] = number
    return found
