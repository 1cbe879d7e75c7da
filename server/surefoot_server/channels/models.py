"""Rows of channels: dev, staging, production and the like, what is in each, and what was proved there.

Promises: what is in a channel is a digest, not a name; entries and evidence are added and never changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class Channel(SQLModel, table=True):
    """A cohort, a policy, and what a release must have shown in the channel before. `after` is None for the first."""

    name: str = Field(primary_key=True, max_length=64)
    after: str | None = Field(default=None, foreign_key="channel.name", max_length=64)
    cohort: str
    policy: str = ""
    requires: str = ""
    """YAML, as the operator gave it; parsed again at each use."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """It is no channel any more; what was in it and what was proved there stays."""


class ChannelEntry(SQLModel, table=True):
    """A release that was promoted into a channel, with what was known when it was."""

    __tablename__ = "channel_entry"
    id: int | None = Field(default=None, primary_key=True)
    channel: str = Field(foreign_key="channel.name", index=True, max_length=64)
    release_id: str = Field(foreign_key="release.id", index=True)
    component: str = Field(max_length=32)
    digest: str = Field(max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)
    by: str
    evidence: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)

    __table_args__ = (sa.UniqueConstraint("channel", "release_id"),)


class ChannelEvidence(SQLModel, table=True):
    """A test that ran on a release in a channel, or a person who accepted it there. The newest of a name counts."""

    __tablename__ = "channel_evidence"
    id: int | None = Field(default=None, primary_key=True)
    channel: str = Field(foreign_key="channel.name", index=True, max_length=64)
    release_id: str = Field(foreign_key="release.id", index=True)
    digest: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    """test or acceptance."""
    name: str = Field(max_length=80)
    """Of the test; for an acceptance, of the person."""
    passed: bool
    at: datetime = Field(sa_type=UtcDateTime)
    by: str
    note: str = ""
