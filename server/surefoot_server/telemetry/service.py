"""Store what devices measure: the batches of many devices in a few statements, once each.

Promises: a batch that is stored again changes nothing; samples are stored with a plausible time (the device's where its
clock can be believed, else shifted so that the newest is now); what comes after its stretch of time was rolled up is
noted, so that it is rolled up again; a device cannot fill the database with names (SERIES_LIMIT).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from sqlmodel import Session

from surefoot_server.telemetry import repository, series
from surefoot_server.telemetry.repository import Value, ms
from surefoot_server.telemetry.window import take
from surefoot_shared.messages import Ack, Sample, TelemetryBatch

AHEAD_MS = 120_000
BEHIND_MS = int(timedelta(days=14).total_seconds() * 1000)
"""A clock without battery wakes in 1970 or at its last shutdown; a device may be offline with a good one for days."""
NAME_LIMIT = 80
SAMPLES_LIMIT = 5000
"""Samples of one batch that are kept; a message of 256 kB holds about a thousand."""

Stream = tuple[str, str]


@dataclass
class Stored:
    """What one call stored. `cache` must be told to keep what it learned once the transaction is committed."""

    acks: dict[Stream, Ack] = field(default_factory=dict)
    samples: int = 0
    left_out: int = 0


def ingest(session: Session, device_id: str, batches: Sequence[TelemetryBatch], now: datetime) -> None:
    """Store batches of one device, without a memory of what is known already."""
    store(session, {device_id: batches}, now, series.Cache())


def store(
    session: Session,
    by_device: Mapping[str, Sequence[TelemetryBatch]],
    now: datetime,
    cache: series.Cache,
    cut: Iterable[str] = (),
) -> Stored:
    """Store those batches that are new and advance their streams. `cut` names devices of which some were left out."""
    stored, now_ms, lost = Stored(), ms(now), frozenset(cut)
    streams = repository.windows(session, by_device.keys() | lost)
    fresh: list[tuple[str, TelemetryBatch]] = []
    for (device_id, name), batches in _by_stream(by_device, [key for key in streams if key[0] in lost]).items():
        state = streams.setdefault((device_id, name), repository.StreamState())
        window, new = take(state.window, [b.batch for b in batches], cut=device_id in lost)
        wanted = set(new)
        for batch in batches:
            if batch.batch in wanted:
                wanted.discard(batch.batch)
                fresh.append((device_id, batch))
        state.move(window, max((b.dropped for b in batches), default=0))
        if batches:
            stored.acks[device_id, name] = Ack(name, state.event, window.acked)
    values = _values(session, fresh, now_ms, cache, streams, stored)
    repository.add(session, values)
    repository.save(session, {key: state for key, state in streams.items() if state.moved})
    stored.samples = len(values)
    return stored


def _by_stream(
    by_device: Mapping[str, Sequence[TelemetryBatch]], also: Iterable[Stream]
) -> dict[Stream, list[TelemetryBatch]]:
    found: dict[Stream, list[TelemetryBatch]] = {key: [] for key in also}
    for device_id, batches in by_device.items():
        for batch in batches:
            found.setdefault((device_id, batch.stream), []).append(batch)
    return found


def _values(
    session: Session,
    fresh: Sequence[tuple[str, TelemetryBatch]],
    now_ms: int,
    cache: series.Cache,
    streams: Mapping[Stream, repository.StreamState],
    stored: Stored,
) -> list[Value]:
    found: list[tuple[str, series.Said, int, float]] = []
    for device_id, batch in fresh:
        kept = [s for s in batch.samples[:SAMPLES_LIMIT] if len(s.name) <= NAME_LIMIT]
        times, shift_ms = _times(kept, now_ms)
        streams[device_id, batch.stream].shift_s = shift_ms / 1000
        found += [
            (device_id, (s.name, s.component, s.digest, s.slot), at_ms, s.value)
            for s, at_ms in zip(kept, times, strict=True)
        ]
    ids = cache.ids(session, found)
    values = [(number, at_ms, value) for number, (_, _, at_ms, value) in zip(ids, found, strict=True) if number]
    stored.left_out += len(found) - len(values)
    return values


def _times(samples: Sequence[Sample], now_ms: int) -> tuple[list[int], int]:
    known = {text: _parse_ms(text) for text in {s.at for s in samples}}  # most of a batch is of one moment
    newest = max((t for t in known.values() if t is not None), default=now_ms)
    believed = now_ms - BEHIND_MS <= newest <= now_ms + AHEAD_MS
    shift_ms = 0 if believed else now_ms - newest
    at_ms = {text: now_ms if t is None else min(t + shift_ms, now_ms) for text, t in known.items()}
    return [at_ms[s.at] for s in samples], shift_ms


def _parse_ms(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text if text[-1:] != "Z" else text[:-1] + "+00:00")  # 3.10 does not read the Z
    except ValueError:
        return None
    return ms(at if at.tzinfo else at.replace(tzinfo=timezone.utc))
