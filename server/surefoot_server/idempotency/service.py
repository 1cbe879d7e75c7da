"""Answers kept under an Idempotency-Key for a day: a write that is sent twice happens once.

Promises: a key belongs to a credential; the same request gets the first one's answer again, another request under the
same key is refused, and so is a copy that comes while the first is at work. An answer is encrypted with the credential
and the key, so that the database alone gives no secret away. Refuses to run a request again of which nobody knows
whether it took place, because the server ended in the middle of it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import col

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.idempotency.models import KeptAnswer
from surefoot_shared.errors import Conflict, Unreachable

KEPT = timedelta(hours=24)
AT_WORK = timedelta(minutes=2)
"""Longer than any request of ours takes: after it the server must have ended in between."""
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """One request under a key."""

    credential: str
    key: str
    method: str
    address: str
    body: bytes

    @property
    def id(self) -> str:
        return _sha256(b"surefoot-key\x00", self.credential.encode(), self.key.encode()).hex()

    @property
    def request(self) -> str:
        return _sha256(b"surefoot-request\x00", self.method.encode(), self.address.encode(), self.body).hex()

    @property
    def secret(self) -> bytes:
        return _sha256(b"surefoot-answer\x00", self.credential.encode(), self.key.encode())


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media_type: str
    body: bytes


def begin(database: Database, asked: Asked, now: datetime) -> Answer | None:
    """Take the key; returns the kept answer where there is one. Raises Conflict, or Unreachable(busy)."""
    with database.write() as session:
        connection = session.connection()
        connection.execute(sa.delete(KeptAnswer).where(col(KeptAnswer.asked_at) <= now - KEPT))
        fresh = {"id": asked.id, "request": asked.request, "asked_at": now, "media_type": "", "sealed": b""}
        if db.insert_ignoring(session, KeptAnswer, [fresh]):
            return None
        row = session.get(KeptAnswer, asked.id)
        assert row is not None
    if row.request != asked.request:
        raise Conflict("conflict", "This Idempotency-Key came with another request before.", "Use a new key.")
    if row.status is not None:
        return Answer(row.status, row.media_type, _open(asked, row.sealed))
    if now - row.asked_at < AT_WORK:
        raise Unreachable("busy", "The same request is being answered.", "Send it again in a moment.", retry_after_s=1)
    raise Conflict(
        "conflict",
        "The server ended while it answered this request.",
        "Look whether it took place; if not, send it under a new key.",
    )


def keep(database: Database, asked: Asked, answer: Answer) -> None:
    """Keep the answer for whoever asks again."""
    sealed = _seal(asked, answer.body)
    with database.write() as session:
        row = session.get(KeptAnswer, asked.id)
        if row is not None:
            row.status, row.media_type, row.sealed = answer.status, answer.media_type, sealed
            session.add(row)


def forget(database: Database, asked: Asked) -> None:
    """Nothing took place: the request may come again under its key."""
    with database.write() as session:
        session.connection().execute(sa.delete(KeptAnswer).where(col(KeptAnswer.id) == asked.id))


def _seal(asked: Asked, body: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(asked.secret).encrypt(nonce, body, asked.id.encode())


def _open(asked: Asked, sealed: bytes) -> bytes:
    return AESGCM(asked.secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], asked.id.encode())


def _sha256(*parts: bytes) -> bytes:
    """Of the parts with their lengths, so that no two lists of parts give the same."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.digest()
