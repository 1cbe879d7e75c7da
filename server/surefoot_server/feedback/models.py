"""Rows of what people and other systems say about releases: flags, advisories and the addresses they may say it to.

Promises: nothing that was said is deleted; what was withdrawn says when and by whom. An address's secret is kept as
its hash, and one that signs encrypted, with a key that is not in the database.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from surefoot_server.db import JSON, UtcDateTime


class Flag(SQLModel, table=True):
    """Somebody says that something is wrong with a device, or with a release as a whole."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    by: str = Field(max_length=80)
    source: str = Field(max_length=16)
    """operator, or hook: a person or a system without an account."""
    device_id: str | None = Field(default=None, foreign_key="device.id", index=True, max_length=64)
    release_id: str | None = Field(default=None, foreign_key="release.id", index=True)
    """What the flag is about; for a device the release that its component ran then."""
    reason: str
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    withdrawn_by: str = ""


class Advisory(SQLModel, table=True):
    """A release must not be installed any more, by a finding from outside: a security advisory, a recall."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    by: str = Field(max_length=80)
    release_id: str = Field(foreign_key="release.id", index=True)
    reference: str = Field(default="", max_length=200)
    reason: str
    do: str = Field(max_length=16)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    withdrawn_by: str = ""


class Hook(SQLModel, table=True):
    """An address to which another system may speak: about one release or one rollout, with one act."""

    id: str = Field(primary_key=True, max_length=16)
    secret_hash: str
    name: str = Field(max_length=80)
    do: str = Field(max_length=16)
    """flag, hold, halt or revert."""
    release_id: str | None = Field(default=None, foreign_key="release.id")
    rollout_id: str | None = Field(default=None, foreign_key="rollout.id", max_length=16)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    uses: int = 0
    signed: bool = False
    """Whether each call must be signed as Standard Webhooks says; then the address itself is no secret."""


class HookSecret(SQLModel, table=True):
    """A secret that calls of a hook may be signed with; while one takes another's place there are two."""

    __tablename__ = "hook_secret"
    id: str = Field(primary_key=True, max_length=16)
    hook_id: str = Field(foreign_key="hook.id", index=True, max_length=16)
    sealed: bytes
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """None for the newest."""


class HookMessage(SQLModel, table=True):
    """A signed message that was taken: the same id does nothing again."""

    __tablename__ = "hook_message"
    hook_id: str = Field(primary_key=True, foreign_key="hook.id", max_length=16)
    message_id: str = Field(primary_key=True, max_length=255)
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    stopped: list[str] | None = Field(default=None, sa_type=JSON, nullable=True)
    """The rollouts that it stopped; None until it was done, so that a copy after a crash does what is left."""
