"""The audit row: who did what to which thing, chained to the row before by its hash."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from surefoot_server.db import JSON, UtcDateTime


class AuditEntry(SQLModel, table=True):
    __tablename__ = "audit_entry"
    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(index=True)
    """An access token's name, `engine`, `device:ID` or `server`."""
    action: str = Field(index=True)
    object: str = Field(index=True)
    """kind:id, such as rollout:7f3a or device:cam-17."""
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    previous: str
    hash: str


class AuditCheckpoint(SQLModel, table=True):
    """How far the chain had come at a moment, signed; rows are added and never changed."""

    __tablename__ = "audit_checkpoint"
    size: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    head: str = Field(max_length=64)
    at: str
    """As it was signed."""
    signature: str
