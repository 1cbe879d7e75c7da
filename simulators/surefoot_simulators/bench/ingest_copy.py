"""The telemetry writer on PostgreSQL against the fastest way in: COPY by the database itself, from its own file.

Promises: both store rows of the same three numbers, of as many series in the same order of time, in the same run. COPY
goes once into a table with the key of the writer's, and once into a bare one without index, a transaction each; the
writer does all that it does for a fleet, in the transactions of the gateway, each committed durably.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
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


BARE = "CREATE TABLE copied (series_id integer, at_ms bigint, value float8)"
KEYED = "CREATE TABLE copied (LIKE telemetry_sample INCLUDING ALL)"
"""The same columns and the same primary key, in one piece where the writer's lies in partitions."""


@dataclass(frozen=True)
class Rates:
    """Rows a second, each committed durably."""

    writer: float
    copy: float
    """COPY into a table with the writer's key."""
    bare: float
    """COPY into a table without any index."""


def measure(database: Database, say: Callable[[str], None]) -> Rates:
    found = Rates(copy=_copy(database, KEYED), bare=_copy(database, BARE), writer=_writer(database))
    say(f"writer {found.writer:,.0f} rows/s, COPY {found.copy:,.0f}, without index {found.bare:,.0f}")
    return found


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


def _copy(database: Database, made: str) -> float:
    series, step_ms = DEVICES * SAMPLES, 10_000
    rows = f"SELECT mod(g, {series}) + 1, 1700000000000 + g / {series} * {step_ms}, g * 0.25"
    rows += f" FROM generate_series(0, {COPY_ROWS - 1}) AS g"
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        folder = connection.execute(sa.text("SHOW data_directory")).scalar()
        connection.exec_driver_sql(made)
        connection.exec_driver_sql(f"COPY ({rows}) TO '{folder}/rows'")
        began = time.perf_counter()
        connection.exec_driver_sql(f"COPY copied FROM '{folder}/rows'")
        took_s = time.perf_counter() - began
        connection.exec_driver_sql("DROP TABLE copied")
    return COPY_ROWS / took_s
