"""The feed's row: one thing that happened, numbered in the order in which it became true."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import JSON, UtcDateTime


class Happening(str, Enum):
    """What kind of thing happened; a stream and a webhook name the kinds that they want."""

    ROLLOUT = "rollout"
    """A rollout is in another state, or its way back is held."""
    PHASE = "phase"
    """A phase of a rollout is in another state."""
    VERDICT = "verdict"
    """A phase was judged, with another finding than before."""
    DECISION = "decision"
    """The engine or a person decided something about a rollout or one of its devices."""
    OUTCOME = "outcome"
    """A device's attempt ended, or ended otherwise than was believed."""
    FLAG = "flag"
    """Somebody said that something is wrong with a device or a release, or took it back."""
    ALARM = "alarm"
    """A person must look: at a device, at signatures that expire, at a server that was down, at a held way back."""
    DRILL = "drill"
    """A rehearsal of going back began, went on or ended."""
    AUDIT = "audit"
    """Every other act in the audit trail."""


class FeedEvent(SQLModel, table=True):
    """`id` never comes twice, and a smaller one is never committed after a larger one. After a restore it goes on from
    the clock (`backup.py`): a reader has seen numbers that the backup does not know.
    """

    __tablename__ = "feed_event"
    id: int | None = Field(default=None, sa_type=sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    kind: str = Field(max_length=16)
    subject: str
    """kind:id of the thing, such as rollout:7f3a or device:cam-17."""
    rollout_id: str | None = Field(default=None, max_length=16)
    device_id: str | None = Field(default=None, max_length=64)
    actor: str = ""
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)

    __table_args__ = (
        sa.Index("ix_feed_event_rollout_id_id", "rollout_id", "id"),
        sa.Index("ix_feed_event_device_id_id", "device_id", "id"),
        {"sqlite_autoincrement": True},  # else the number of a deleted newest row is given again
    )
