"""Every query about raw samples and their series; rollups and what is computed of them have modules of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server import db, partitions
from surefoot_server.devices.models import DeviceStream
from surefoot_server.telemetry.models import TelemetryLate, TelemetryProgress, TelemetrySample, TelemetrySeries
from surefoot_server.telemetry.window import Window

FIVE_MINUTES_MS = 300_000
FIVE_MINUTES = "five_minutes"
"""The row of telemetry_progress: up to when rollups of five minutes are complete."""
DELETE_SERIES = 2000
"""Series of which old rows are removed in one transaction: a longer one would keep the writer of messages waiting."""
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)

Value = tuple[int, int, float]
"""series, milliseconds since 1970, value."""


def ms(at: datetime) -> int:
    return (at - EPOCH) // MILLISECOND


def moment(at_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at_ms)


@dataclass(frozen=True, slots=True)
class Point:
    """One value with everything its series says."""

    device_id: str
    name: str
    component: str | None
    digest: str | None
    slot: str | None
    at: datetime
    value: float


@dataclass
class StreamState:
    """What of a stream's row concerns telemetry; `event` is read along for the acknowledgement."""

    window: Window = field(default_factory=Window)
    event: int = 0
    dropped: int = 0
    shift_s: float = 0.0
    moved: bool = False
    known: bool = False

    def move(self, window: Window, dropped: int) -> None:
        dropped = max(self.dropped, dropped)
        self.moved = self.moved or window != self.window or dropped != self.dropped
        self.window, self.dropped = window, dropped


def windows(session: Session, device_ids: Collection[str]) -> dict[tuple[str, str], StreamState]:
    """The streams of these devices, by device and stream."""
    s, found = db.table_of(DeviceStream).c, {}
    of_window = (s.batch, s.batch_top, s.batch_last, s.batch_seen, s.batch_held)
    query = sa.select(s.device_id, s.stream, s.event_seq, s.dropped_samples, s.clock_shift_s, *of_window)
    query = query.where(db.names_in(s.device_id, device_ids))
    query = query.order_by(s.device_id, s.stream).with_for_update()
    for device, stream, event, dropped, shift_s, *window in session.connection().execute(query):
        found[device, stream] = StreamState(Window(*window), event, dropped, shift_s, known=True)
    return found


def save(session: Session, streams: Mapping[tuple[str, str], StreamState]) -> None:
    """Write the streams that moved, in one statement; the caller flushed what it changed of them."""
    new = [
        DeviceStream(device_id=device, stream=name).model_dump() for (device, name), s in streams.items() if not s.known
    ]
    db.insert_ignoring(session, DeviceStream, new)
    rows = [
        {
            "device_id": device,
            "stream": name,
            "batch": state.window.acked,
            "batch_top": state.window.top,
            "batch_last": state.window.last,
            "batch_seen": state.window.seen,
            "batch_held": state.window.held,
            "dropped_samples": state.dropped,
            "clock_shift_s": state.shift_s,
        }
        for (device, name), state in streams.items()
    ]
    db.update_rows(session, DeviceStream, rows)


def add(session: Session, values: Sequence[Value]) -> None:
    """Store raw values, the newest of each series beside them, and note those that came late."""
    newest: dict[int, Value] = {}
    for value in values:
        held = newest.get(value[0])
        if held is None or held[1] <= value[1]:
            newest[value[0]] = value
    db.append(session, TelemetrySample, ("series_id", "at_ms", "value"), values)
    db.advance(session, TelemetrySeries, "id", "last_at_ms", "last_value", list(newest.values()))
    if values and min(v[1] for v in values) < (until_ms := progress(session, FIVE_MINUTES)):
        late = {(series, at_ms - at_ms % FIVE_MINUTES_MS) for series, at_ms, _ in values if at_ms < until_ms}
        rows = [{"series_id": series, "from_ms": from_ms} for series, from_ms in sorted(late)]
        db.insert_ignoring(session, TelemetryLate, rows)


def progress(session: Session, name: str) -> int:
    row = session.get(TelemetryProgress, name)
    return 0 if row is None else row.until_ms


def cut_series(
    device_ids: Iterable[str] | sa.Select[tuple[str]] = (), name: str = "", digest: str = ""
) -> list[sa.ColumnElement[bool]]:
    """Conditions on the series; nothing given is no condition."""
    s, found = db.table_of(TelemetrySeries).c, list[sa.ColumnElement[bool]]()
    if isinstance(device_ids, sa.Select) or device_ids:
        found.append(s.device_id.in_(device_ids))
    if name:
        found.append(s.name == name)
    if digest:
        found.append(s.digest == digest)
    return found


def samples(
    session: Session,
    device_ids: Iterable[str] | sa.Select[tuple[str]] = (),
    name: str = "",
    digest: str = "",
    since: datetime | None = None,
    limit: int = 1000,
) -> list[Point]:
    """The newest samples first, cut by devices, metric and release digest as given."""
    s, v = db.table_of(TelemetrySeries).c, db.table_of(TelemetrySample).c
    query = (
        sa.select(s.device_id, s.name, s.component, s.digest, s.slot, v.at_ms, v.value)
        .join(db.table_of(TelemetrySample), v.series_id == s.id)
        .where(*cut_series(device_ids, name, digest))
    )
    if since is not None:
        query = query.where(v.at_ms >= ms(since), s.last_at_ms >= ms(since))
    newest = query.order_by(v.at_ms.desc(), v.series_id).limit(limit)
    return [_point(*row) for row in session.connection().execute(newest)]


def latest(session: Session, device_ids: Iterable[str] = (), name: str = "") -> list[Point]:
    """The newest value of each metric of each component, whichever release gave it."""
    s = db.table_of(TelemetrySeries).c
    query = (
        sa.select(s.device_id, s.name, s.component, s.digest, s.slot, s.last_at_ms, s.last_value)
        .where(*cut_series(device_ids, name), s.last_at_ms > 0)
        .order_by(s.device_id, s.name, s.component, s.last_at_ms.desc())
    )
    found: dict[tuple[str, str, str], Point] = {}
    for row in session.connection().execute(query):
        found.setdefault((row[0], row[1], row[2]), _point(*row))
    return list(found.values())


def delete_older(session: Session, before: datetime, after_id: int = 0) -> int | None:
    """Remove raw values of before, of some series at a time; return after which to go on, None where all are done."""
    ids = list(
        session.exec(
            select(TelemetrySeries.id)
            .where(col(TelemetrySeries.id) > after_id)
            .order_by(col(TelemetrySeries.id))
            .limit(DELETE_SERIES)
        )
    )
    if after_id == 0:
        partitions.drop_older(session, ms(before))
    table = db.table_of(TelemetrySample)
    if ids and not partitions.used(session):
        gone = table.delete().where(table.c.series_id == sa.bindparam("of"), table.c.at_ms < ms(before))
        session.connection().execute(gone, [{"of": each} for each in ids])
    return ids[-1] if len(ids) == DELETE_SERIES else None


def _point(device: str, name: str, component: str, digest: str, slot: str, at_ms: int, value: float) -> Point:
    return Point(device, name, component or None, digest or None, slot or None, moment(at_ms), value)
