"""Signed notes of how far the audit trail had come, handed to devices, which say them back in each hello.

Promises: a trail that was cut off, or a database that was set back, is noticed by the first device that heard of more;
what a device says back counts only with our own signature on it. The key is the server's own, online: it proves that
this server said so once, not that the trail is true.
"""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from sqlmodel import Session, col, select

from surefoot_server.audit import chain, service
from surefoot_server.audit.models import AuditCheckpoint, AuditEntry
from surefoot_server.db import Database
from surefoot_shared.errors import ConfigError
from surefoot_shared.messages import Checkpoint

EVERY_S = 3600.0
"""What a thief can cut off unnoticed at the most; each is one row and one small message to every device."""
CONTRADICTED = "audit.contradicted"
TOLD_FOR = timedelta(days=7)
"""How long /healthz repeats that the trail lacks what devices saw: it cannot be mended, only known."""


class Checkpoints:
    def __init__(self, database: Database, key: Ed25519PrivateKey) -> None:
        self._db, self._key = database, key
        self._agreed: tuple[int, str] | None = None

    def make(self, now: datetime) -> Checkpoint | None:
        """Sign where the trail stands; the newest one again where nothing was added, None where there is no row."""
        with self._db.write() as session:
            last = session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).first()
            if last is None:
                return None
            row = session.get(AuditCheckpoint, last.seq)
            if row is None:
                at = now.isoformat(timespec="seconds")
                signature = self._key.sign(chain.signed_bytes(last.seq, last.hash, at))
                row = AuditCheckpoint(
                    size=last.seq, head=last.hash, at=at, signature=base64.b64encode(signature).decode()
                )
                session.add(row)
            return _checkpoint(row)

    def newest(self) -> Checkpoint | None:
        with self._db.read(whole=True) as session:
            row = session.exec(select(AuditCheckpoint).order_by(col(AuditCheckpoint.size).desc()).limit(1)).first()
        return None if row is None else _checkpoint(row)

    def public_key(self) -> str:
        """PEM, to be kept beside a checkpoint."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def heard(self, session: Session, device_id: str, said: Checkpoint | None, now: datetime) -> None:
        """A device says back what it was told: note where the trail does not lead through it."""
        if said is None or (said.size, said.head) == self._agreed or not chain.is_signed(said, self._key.public_key()):
            return
        row = session.get(AuditEntry, said.size)
        if row is not None and row.hash == said.head:
            self._agreed = (said.size, said.head)
            return
        detail = {"device": device_id, "size": said.size, "head": said.head, "at": said.at}
        service.record_seldom(session, "server", CONTRADICTED, "audit:chain", detail, now)

    def warnings(self, now: datetime) -> list[str]:
        query = select(AuditEntry).where(AuditEntry.action == CONTRADICTED, AuditEntry.at > now - TOLD_FOR)
        with self._db.read(whole=True) as session:
            row = session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(1)).first()
        if row is None:
            return []
        shown = f"{row.detail['device']} was shown {row.detail['size']} rows at {row.detail['at']}"
        return [f"The audit trail was cut off or replaced: {shown}. Was a backup restored?"]


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The server's audit key, made with mode 0600 at the first start. Raises ConfigError."""
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        return made
    except ValueError as error:
        raise ConfigError("config_unreadable", f"{path} holds no key.", "Restore it from a backup.") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ConfigError("config_unreadable", f"{path} holds no Ed25519 key.", "Restore it from a backup.")
    return found


def _checkpoint(row: AuditCheckpoint) -> Checkpoint:
    return Checkpoint(row.size, row.head, row.at, row.signature)
