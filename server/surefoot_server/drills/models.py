"""Rows of drills: rehearsals of going back, when they are due, and how long each device took.

Promises: the times are those of the device's own reports, from the order to the commit. Nothing is deleted.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class DrillSchedule(SQLModel, table=True):
    """A drill that comes again and again."""

    __tablename__ = "drill_schedule"
    id: int | None = Field(default=None, primary_key=True)
    component: str = Field(max_length=32)
    cohort: str
    every_s: float
    limit_s: float
    next_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    stopped_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Drill(SQLModel, table=True):
    """One rehearsal: every device goes back to its release before, and forward again."""

    id: str = Field(primary_key=True, max_length=16)
    number: int = Field(unique=True)
    component: str = Field(max_length=32)
    cohort: str
    limit_s: float
    """How long each way may take on a device."""
    state: str = Field(max_length=16, index=True)
    """running, passed or failed."""
    reason: str = ""
    started_at: datetime = Field(sa_type=UtcDateTime)
    started_by: str
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DrillDevice(SQLModel, table=True):
    """One device of a drill. `step`: reverting, applying, done, failed or skipped."""

    __tablename__ = "drill_device"
    drill_id: str = Field(primary_key=True, foreign_key="drill.id", max_length=16)
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64)
    step: str = Field(max_length=16)
    reason: str = ""
    release_id: str | None = None
    previous_release_id: str | None = None
    assignment_id: str | None = None
    """Of the way it is on."""
    revert_s: float | None = None
    apply_s: float | None = None
