"""The telemetry writer on PostgreSQL against the fastest way in: COPY by the database itself, from its own file.

Promises: both store rows of the same three numbers in the same run. COPY goes into a bare table without index, one
transaction; the writer does all that it does for a fleet, in the transactions of the gateway, each committed durably.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.telemetry import series, service
from surefoot_shared.messages import Sample, TelemetryBatch
from surefoot_shared.status import SlotName

DEVICES = 100
BATCHES = 50
SAMPLES = 20
"""An agent's batch: node, agent and application at one moment."""
COPY_ROWS = 500_000


def measure(database: Database, say: Callable[[str], None]) -> tuple[float, float]:
    """Rows a second of the writer, and of COPY."""
    copy = _copy(database)
    writer = _writer(database)
    say(f"writer {writer:,.0f} rows/s, COPY {copy:,.0f} rows/s")
    return writer, copy


def _writer(database: Database) -> float:
    now = db.utc_now()
    names = [f"cam-{n:04}" for n in range(DEVICES)]
    rounds = [
        {name: [_batch(name, number, now - timedelta(seconds=10 * number))] for name in names}
        for number in range(1, BATCHES + 1)
    ]
    cache, took_s = series.Cache(), 0.0
    for said in rounds:
        began = time.perf_counter()
        with database.write() as session:
            service.store(session, said, now, cache)
        cache.keep()
        took_s += time.perf_counter() - began
    return DEVICES * BATCHES * SAMPLES / took_s


def _batch(name: str, number: int, at: object) -> TelemetryBatch:
    text = str(at)
    samples = (Sample(text, f"metric_{n}", float(number), "app", "b" * 64, SlotName.B) for n in range(SAMPLES))
    return TelemetryBatch(name, "writer", number, 0, tuple(samples))


def _copy(database: Database) -> float:
    rows = f"SELECT mod(g, 10000), 1700000000000 + g, g * 0.25 FROM generate_series(1, {COPY_ROWS}) AS g"  # noqa: S608
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        folder = connection.execute(sa.text("SHOW data_directory")).scalar()
        connection.exec_driver_sql("CREATE TABLE bare (series_id integer, at_ms bigint, value float8)")
        connection.exec_driver_sql(f"COPY ({rows}) TO '{folder}/rows'")
        began = time.perf_counter()
        connection.exec_driver_sql(f"COPY bare FROM '{folder}/rows'")
        took_s = time.perf_counter() - began
        connection.exec_driver_sql("DROP TABLE bare")
    return COPY_ROWS / took_s
