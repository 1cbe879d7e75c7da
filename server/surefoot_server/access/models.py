"""Who may use the operator's interface: users and what they were granted, API tokens, console sessions.

Promises: passwords are kept as argon2id hashes, tokens and sessions as sha256 of 256 random bits; none of them opens
anything. A user is never removed, only disabled: the audit trail names it.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class User(SQLModel, table=True):
    """A person."""

    __tablename__ = "access_user"
    id: str = Field(primary_key=True, max_length=16)
    name: str = Field(unique=True, max_length=64)
    password_hash: str | None = None
    """None: signs in by an identity provider only."""
    subject: str | None = Field(default=None, unique=True)
    """The identity provider's issuer and its own name for the person."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    password_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class UserGrant(SQLModel, table=True):
    """One role in one scope."""

    __tablename__ = "access_grant"
    user_id: str = Field(primary_key=True, foreign_key="access_user.id", max_length=16)
    scope: str = Field(primary_key=True, max_length=80)
    role: str = Field(max_length=16)
    granted_at: datetime = Field(sa_type=UtcDateTime)
    granted_by: str


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
    scopes: list[str] = Field(default_factory=list, sa_type=sa.JSON, sa_column_kwargs={"server_default": "[]"})
    """Where the role holds; nothing named is the fleet."""
    person: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Whose acts its acts are: `user:ID`, or `token:ID` of the one its makers lead back to; empty: itself."""


class ConsoleSession(SQLModel, table=True):
    """Either a user's or, for one who signed in with a token, the token's."""

    __tablename__ = "console_session"
    secret_hash: str = Field(primary_key=True)
    token_id: str | None = Field(default=None, foreign_key="access_token.id", index=True)
    user_id: str | None = Field(default=None, foreign_key="access_user.id", index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
