"""Samples of devices: raw rows, the newest value of each series, and which batches are stored.

Promises: a batch is stored once, by its (device, stream, number); `at` is the server's estimate and `device_at` what
the device's clock said, because device clocks may be wrong.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class TelemetryBatchRow(SQLModel, table=True):
    """One stored batch; what makes a second copy harmless."""

    __tablename__ = "telemetry_batch"
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64)
    stream: str = Field(primary_key=True, max_length=64)
    batch: int = Field(primary_key=True, sa_type=sa.BigInteger)
    samples: int
    received_at: datetime = Field(sa_type=UtcDateTime, index=True)


class TelemetrySample(SQLModel, table=True):
    __tablename__ = "telemetry_sample"
    id: int | None = Field(default=None, primary_key=True)
    device_id: str = Field(foreign_key="device.id", max_length=64)
    name: str = Field(max_length=80)
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    device_at: str = Field(max_length=40)
    value: float
    component: str | None = Field(default=None, max_length=32)
    digest: str | None = Field(default=None, max_length=64)
    slot: str | None = Field(default=None, max_length=1)

    __table_args__ = (
        sa.Index("ix_telemetry_sample_device_id_name_at", "device_id", "name", "at"),
        sa.Index("ix_telemetry_sample_digest_name_at", "digest", "name", "at"),
    )


class TelemetryLatest(SQLModel, table=True):
    """The newest value of a series, so that a page costs one row a series and not a scan."""

    __tablename__ = "telemetry_latest"
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64)
    name: str = Field(primary_key=True, max_length=80)
    component: str = Field(default="", primary_key=True, max_length=32)
    at: datetime = Field(sa_type=UtcDateTime)
    value: float
    digest: str | None = Field(default=None, max_length=64)
    slot: str | None = Field(default=None, max_length=1)
