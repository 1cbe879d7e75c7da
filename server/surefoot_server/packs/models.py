"""Rows: which pairs of releases have packs, what each pack is, and why a pair has none.

Promises: a pack's row exists only after the pack was proved and its blob stored. Rows are hints and can be made anew.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class PackPair(SQLModel, table=True):
    """One pair that was worked on. `from_digest` is empty where its packs start from nothing."""

    __tablename__ = "pack_pair"
    from_digest: str = Field(primary_key=True, max_length=64)
    to_digest: str = Field(primary_key=True, max_length=64)
    state: str
    """ready or failed"""
    reason: str = ""
    lacking_bytes: int = Field(default=0, sa_type=sa.BigInteger)
    """What the one release lacks of the other, uncompressed."""
    seconds: float = 0.0
    peak_bytes: int = Field(default=0, sa_type=sa.BigInteger)
    made_at: datetime = Field(sa_type=UtcDateTime)


class PackRow(SQLModel, table=True):
    """One pack of a pair; its blob has the same name. `part` orders the packs of a pair; 0 is that of the manifest."""

    __tablename__ = "pack"
    sha256: str = Field(primary_key=True, max_length=64)
    from_digest: str = Field(max_length=64)
    to_digest: str = Field(max_length=64)
    part: int
    size_bytes: int = Field(sa_type=sa.BigInteger)
    encoding: str
    decoded_bytes: int = Field(sa_type=sa.BigInteger)
    of_manifest: bool = False
    """Makes the manifest itself, not what it lists."""

    __table_args__ = (sa.Index("ix_pack_to_digest", "to_digest", "from_digest"),)
