"""The row behind an Idempotency-Key: what was asked with it, and the answer, sealed."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class KeptAnswer(SQLModel, table=True):
    """`status` is None while the request is being answered, and stays so if the server ended meanwhile."""

    __tablename__ = "kept_answer"
    id: str = Field(primary_key=True, max_length=64)
    """sha256 of the credential and the key; neither is kept."""
    request: str = Field(max_length=64)
    """sha256 of method, address and body."""
    asked_at: datetime = Field(sa_type=UtcDateTime, index=True)
    status: int | None = None
    media_type: str = ""
    sealed: bytes = b""
    """The body, encrypted with what only the caller knows: some answers hold a secret that is shown once."""
