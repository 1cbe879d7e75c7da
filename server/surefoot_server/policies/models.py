"""The row of a saved policy: a document that rollouts and channels may name instead of carrying it.

Promises: it was parsed before it was stored. A rollout keeps the text that it began with: a change is for later ones.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class SavedPolicy(SQLModel, table=True):
    __tablename__ = "saved_policy"
    name: str = Field(primary_key=True, max_length=64)
    text: str
    """YAML."""
    changed_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str
