"""The cohort row: a saved query over attributes and tags, under a name.

Promises: the expression was parsed before it was stored. Refuses to hold members: who belongs is asked each time.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class Cohort(SQLModel, table=True):
    name: str = Field(primary_key=True, max_length=64)
    expression: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
