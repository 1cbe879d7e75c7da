"""The writer and COPY store the same kind of rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.devices.models import Device
from surefoot_server.telemetry.models import TelemetrySample
from surefoot_simulators.bench import ingest_copy
from surefoot_simulators.bench.postgresql import cluster


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_both_are_measured_and_the_writers_rows_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest_copy, "DEVICES", 3)
    monkeypatch.setattr(ingest_copy, "BATCHES", 2)
    monkeypatch.setattr(ingest_copy, "COPY_ROWS", 1000)
    with cluster() as url:
        database = Database(url)
        database.upgrade()
        with database.write() as session:
            for n in range(3):
                session.add(Device(id=f"cam-{n:04}", hw="x86-box", public_key="", enrolled_at=db.utc_now()))
        rates = ingest_copy.measure(database, lambda _: None)
        with database.read() as session:
            stored = session.exec(select(TelemetrySample)).all()
        database.dispose()

    assert len(stored) == 3 * 2 * ingest_copy.SAMPLES
    assert min(row.at_ms for row in stored) > (db.utc_now() - timedelta(minutes=5)).timestamp() * 1000
    assert min(rates.copy, rates.bare, rates.writer) > 0
