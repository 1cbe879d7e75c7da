"""What the server keeps of enrolment: tokens as hashes, and which node asked for which device id with which key."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class EnrolToken(SQLModel, table=True):
    """Leave to enrol `max_uses` nodes until `expires_at`; the secret itself is shown once and not kept."""

    __tablename__ = "enrol_token"
    id: str = Field(primary_key=True, max_length=16)
    secret_hash: str
    """sha256: the secret has 256 random bits, so a slow hash would only slow every enrolment."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    max_uses: int = 1
    uses: int = 0
    auto_approve: bool = False
    device_id: str | None = Field(default=None, max_length=64)
    """Where set, the token serves this device id only."""
    replace: bool = False
    """Lets `device_id` come back with a new key, though it is enrolled or revoked; made by administrators."""
    hw: str | None = None
    """Where set, the token serves this hardware only."""
    attributes: dict[str, str] = Field(default_factory=dict, sa_type=sa.JSON)
    tags: list[str] = Field(default_factory=list, sa_type=sa.JSON)


class Enrolment(SQLModel, table=True):
    """The newest request for one device id. `state`: pending, approved, refused or enrolled."""

    device_id: str = Field(primary_key=True, max_length=64)
    token_id: str | None = Field(default=None, foreign_key="enrol_token.id", index=True)
    way: str = "token"
    """How it proved itself: token, preauthorised, factory or renewal."""
    hw: str
    public_key: str
    """PEM; a node is recognised by it when it asks again."""
    fingerprint: str
    """sha256 of the public key, for a person to compare with what the node shows."""
    state: str = Field(index=True)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decided_by: str = ""


class PreauthorisedKey(SQLModel, table=True):
    """Leave for one key, known before the node ever called, to become one device id."""

    __tablename__ = "preauthorised_key"
    device_id: str = Field(primary_key=True, max_length=64)
    key_sha256: str = Field(max_length=64)
    """Of the public key in PEM, as `openssl pkey -pubout | sha256sum` says it."""
    hw: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict, sa_type=sa.JSON)
    tags: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class FactoryCa(SQLModel, table=True):
    """An authority of a manufacturer: what it certified may enrol under the name in its certificate."""

    __tablename__ = "factory_ca"
    id: str = Field(primary_key=True, max_length=16)
    """The beginning of the certificate's sha256."""
    name: str
    pem: str
    auto_approve: bool = False
    hw: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict, sa_type=sa.JSON)
    tags: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
