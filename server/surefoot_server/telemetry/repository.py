"""Every query about samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, delete, select

from surefoot_server.telemetry.models import TelemetryBatchRow, TelemetryLatest, TelemetrySample

DELETE_ROWS = 5000
"""Rows removed in one transaction: a longer one would keep the writer of messages waiting."""


def stored_batches(session: Session, device_id: str, stream: str, batches: Sequence[int]) -> set[int]:
    query = select(TelemetryBatchRow.batch).where(
        TelemetryBatchRow.device_id == device_id,
        TelemetryBatchRow.stream == stream,
        col(TelemetryBatchRow.batch).in_(batches),
    )
    return set(session.exec(query))


def samples(
    session: Session,
    device_id: str = "",
    name: str = "",
    digest: str = "",
    since: datetime | None = None,
    limit: int = 1000,
) -> list[TelemetrySample]:
    """The newest samples first, cut by device, metric and release digest as given."""
    query = select(TelemetrySample)
    if device_id:
        query = query.where(TelemetrySample.device_id == device_id)
    if name:
        query = query.where(TelemetrySample.name == name)
    if digest:
        query = query.where(TelemetrySample.digest == digest)
    if since is not None:
        query = query.where(TelemetrySample.at >= since)
    newest = query.order_by(col(TelemetrySample.at).desc(), col(TelemetrySample.id).desc())
    return list(session.exec(newest.limit(limit)))


def latest(session: Session, device_id: str = "", name: str = "") -> list[TelemetryLatest]:
    query = select(TelemetryLatest)
    if device_id:
        query = query.where(TelemetryLatest.device_id == device_id)
    if name:
        query = query.where(TelemetryLatest.name == name)
    return list(session.exec(query.order_by(TelemetryLatest.device_id, TelemetryLatest.name)))


def delete_older(session: Session, before: datetime) -> int:
    """Remove the oldest rows, at most DELETE_ROWS of them; return how many went."""
    oldest = select(TelemetrySample.id).where(TelemetrySample.at < before).limit(DELETE_ROWS)
    gone = session.exec(delete(TelemetrySample).where(col(TelemetrySample.id).in_(oldest))).rowcount
    batches = (
        select(TelemetryBatchRow.device_id, TelemetryBatchRow.stream, TelemetryBatchRow.batch)
        .where(TelemetryBatchRow.received_at < before)
        .limit(DELETE_ROWS)
    )
    for key in session.exec(batches).all():
        row = session.get(TelemetryBatchRow, key)
        session.delete(row)
    return gone
