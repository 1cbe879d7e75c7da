"""Store what devices measure: whole batches, once each, many rows in one statement.

Promises: a batch that is stored again changes nothing; samples are stored with a plausible time (the device's where its
clock can be believed, else shifted so that the newest is now); the newest value of each series is kept apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlmodel import Session

from surefoot_server import db
from surefoot_server.devices import repository as devices
from surefoot_server.telemetry import repository
from surefoot_server.telemetry.models import TelemetryBatchRow, TelemetryLatest, TelemetrySample
from surefoot_shared.messages import Sample, TelemetryBatch

AHEAD = timedelta(minutes=2)
BEHIND = timedelta(days=14)
"""A clock without battery wakes in 1970 or at its last shutdown; a device may be offline with a good one for days."""
NAME_LIMIT = 80
SAMPLES_LIMIT = 5000
"""Samples of one batch that are kept; a message of 256 kB holds about a thousand."""


def ingest(session: Session, device_id: str, batches: Sequence[TelemetryBatch], now: datetime) -> None:
    """Store the batches of one device that are new, and advance their streams' numbers."""
    streams: dict[str, dict[int, TelemetryBatch]] = {}
    for batch in batches:
        streams.setdefault(batch.stream, {}).setdefault(batch.batch, batch)
    for stream, numbered in streams.items():
        known = repository.stored_batches(session, device_id, stream, list(numbered))
        _store(session, device_id, [numbered[n] for n in sorted(numbered.keys() - known)], now)
        row = devices.stream(session, device_id, stream)
        row.batch = max(row.batch, *numbered)
        row.dropped_samples = max(row.dropped_samples, *(b.dropped for b in numbered.values()))
        session.add(row)


def _store(session: Session, device_id: str, batches: Sequence[TelemetryBatch], now: datetime) -> None:
    rows = [row for batch in batches for row in _rows(device_id, batch, now)]
    marks = [
        {"device_id": device_id, "stream": b.stream, "batch": b.batch, "samples": len(b.samples), "received_at": now}
        for b in batches
    ]
    db.insert_ignoring(session, TelemetryBatchRow, marks)
    db.insert_ignoring(session, TelemetrySample, rows)
    db.upsert_newer(session, TelemetryLatest, _latest(rows), "at")


def _rows(device_id: str, batch: TelemetryBatch, now: datetime) -> list[dict[str, Any]]:
    kept = [s for s in batch.samples[:SAMPLES_LIMIT] if len(s.name) <= NAME_LIMIT]
    times = _times(kept, now)
    return [
        {
            "device_id": device_id,
            "name": s.name,
            "at": at,
            "device_at": s.at[:40],
            "value": s.value,
            "component": s.component,
            "digest": s.digest,
            "slot": s.slot.value if s.slot else None,
        }
        for s, at in zip(kept, times, strict=True)
    ]


def _times(samples: Sequence[Sample], now: datetime) -> list[datetime]:
    said = [_parse(s.at) for s in samples]
    newest = max((t for t in said if t is not None), default=now)
    believed = now - BEHIND <= newest <= now + AHEAD
    shift = timedelta(0) if believed else now - newest
    return [min(t + shift, now) if t is not None else now for t in said]


def _parse(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))  # 3.10 does not read the Z
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or timezone.utc).astimezone(timezone.utc)


def _latest(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        key = (row["name"], row["component"] or "")
        if key not in newest or newest[key]["at"] <= row["at"]:
            newest[key] = row
    names = ("device_id", "name", "at", "value", "digest", "slot")
    return [{**{n: row[n] for n in names}, "component": row["component"] or ""} for row in newest.values()]
