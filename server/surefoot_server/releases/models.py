"""The release row: an immutable version of a component, as its signed manifest and its publication say.

Promises: a row exists only after the online repository accepted the signed metadata; it is never changed afterwards.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import JSON, UtcDateTime


class Release(SQLModel, table=True):
    id: str = Field(primary_key=True)
    """component/version"""
    component: str = Field(max_length=32)
    version: str = Field(max_length=64)
    counter: int = Field(sa_type=sa.BigInteger)
    svn: int
    hw: list[str] = Field(default_factory=list, sa_type=JSON)
    digest: str = Field(index=True, max_length=64)
    manifest_size: int = Field(sa_type=sa.BigInteger)
    total_bytes: int = Field(sa_type=sa.BigInteger)
    notes: str = ""
    published_at: datetime = Field(sa_type=UtcDateTime)
    published_by: str

    __table_args__ = (sa.UniqueConstraint("component", "version"),)
