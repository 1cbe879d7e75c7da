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
