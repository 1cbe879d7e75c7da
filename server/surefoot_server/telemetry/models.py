"""Samples of devices: who measured what, the raw values, and what is left of them after a while.

Promises: what a sample says of itself (device, metric, component, release, slot) stands once, in its series; a raw
value is three numbers, so that a fleet's day fits a disk. Times are milliseconds since 1970 in UTC and are the server's
estimate, because device clocks may be wrong; `device_stream.clock_shift_s` says by how much a clock was corrected.
On PostgreSQL raw values lie in one partition a day (`surefoot_server.partitions`).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

CLUSTERED = {"sqlite_with_rowid": False}
"""SQLite keeps such a table in the order of its key: one tree instead of two to write to and to read."""


class TelemetrySeries(SQLModel, table=True):
    """One metric of one component of one device while it ran one release from one slot; empty: of the node itself."""

    __tablename__ = "telemetry_series"
    id: int | None = Field(default=None, primary_key=True)
    device_id: str = Field(foreign_key="device.id", max_length=64)
    name: str = Field(max_length=80)
    component: str = Field(default="", max_length=32)
    digest: str = Field(default="", max_length=64)
    slot: str = Field(default="", max_length=1)
    last_at_ms: int = Field(default=0, sa_type=sa.BigInteger)
    """The newest value is kept here, so that a page costs one row a series and not a scan."""
    last_value: float = 0.0

    __table_args__ = (
        sa.UniqueConstraint("device_id", "name", "component", "digest", "slot"),
        sa.Index("ix_telemetry_series_name_digest", "name", "digest"),
        sa.Index("ix_telemetry_series_digest", "digest"),
    )


class TelemetrySample(SQLModel, table=True):
    """One raw value; a series has one a millisecond. No foreign key: it would cost every insert a look-up."""

    __tablename__ = "telemetry_sample"
    series_id: int = Field(primary_key=True)
    at_ms: int = Field(primary_key=True, sa_type=sa.BigInteger)
    value: float

    __table_args__ = (CLUSTERED,)


class Rollup(SQLModel):
    """What is left of the samples of one series in one stretch of time, beginning at `from_ms`."""

    series_id: int = Field(primary_key=True)
    from_ms: int = Field(primary_key=True, sa_type=sa.BigInteger)
    samples: int
    mean: float
    median: float
    p95: float
    low: float
    high: float
    first: float
    last: float
    rise: float
    """What a counter rose by within the stretch; one that fell began anew at zero."""


class TelemetryFiveMinutes(Rollup, table=True):
    __tablename__ = "telemetry_five_minutes"
    __table_args__ = (CLUSTERED,)


class TelemetryHour(Rollup, table=True):
    __tablename__ = "telemetry_hour"
    __table_args__ = (CLUSTERED,)


class TelemetryLate(SQLModel, table=True):
    """A stretch of a series that got samples after it was rolled up: it is rolled up again."""

    __tablename__ = "telemetry_late"
    series_id: int = Field(primary_key=True)
    from_ms: int = Field(primary_key=True, sa_type=sa.BigInteger)


class TelemetryProgress(SQLModel, table=True):
    """Up to when a kind of rollup is complete."""

    __tablename__ = "telemetry_progress"
    name: str = Field(primary_key=True, max_length=32)
    until_ms: int = Field(sa_type=sa.BigInteger)
