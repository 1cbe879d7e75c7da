"""Whose word counts about builds, in the audit trail: a row whenever the keys of builders are others than before.

Promises: what was noted last is read from the trail itself, so a restart notes nothing twice, and a change while the
server was away is noted when it is back. Who laid or took a key is not known: that is the folder's to say.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.findings.dsse import Key

log = logging.getLogger(__name__)
ACTION, OBJECT, ACTOR = "builders.change", "keys:builders", "server"


class Roster:
    """`keys` are those of builders that can be used now."""

    def __init__(self, database: Database, keys: Callable[[], Sequence[Key]]) -> None:
        self._db, self._keys = database, keys

    def note(self, now: datetime) -> bool:
        """Record the keys, by name and sha256, where they changed; return whether they did."""
        present = {_printable(key.name): fingerprint(key) for key in self._keys()}
        with self._db.read() as session:
            if _noted(session) == present:
                return False
        with self._db.write() as session:
            before = _noted(session)
            if before == present:
                return False
            audit.record(session, ACTOR, ACTION, OBJECT, {"before": before, "after": present}, now)
        added = sorted(present.items() - before.items())
        log.warning("builder_keys_changed added=%r removed=%r", added, sorted(before.items() - present.items()))
        return True


def fingerprint(key: Key) -> str:
    """The sha256 of the public key (DER, SubjectPublicKeyInfo): `openssl pkey -pubin -outform DER | sha256sum`."""
    return hashlib.sha256(key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _noted(session: Session) -> dict[str, str]:
    """Name → fingerprint as the newest row says; empty where there is none."""
    newest = next(iter(audit.entries(session, OBJECT, limit=1)), None)
    return dict(newest.detail["after"]) if newest is not None else {}


def _printable(name: str) -> str:
    """A file may be called by bytes that are no text, which no database takes."""
    return name.encode("utf-8", "backslashreplace").decode()
