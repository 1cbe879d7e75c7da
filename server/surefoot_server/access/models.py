"""Who may use the operator's interface: API tokens and console sessions, both stored as hashes only."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class AccessToken(SQLModel, table=True):
    __tablename__ = "access_token"
    id: str = Field(primary_key=True, max_length=16)
    name: str = Field(unique=True)
    role: str
    secret_hash: str
    """sha256: the secret has 256 random bits, so a slow hash would only slow every request."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ConsoleSession(SQLModel, table=True):
    __tablename__ = "console_session"
    secret_hash: str = Field(primary_key=True)
    token_id: str = Field(foreign_key="access_token.id", index=True)
    expires_at: datetime = Field(sa_type=UtcDateTime)
