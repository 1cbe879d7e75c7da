"""The audit trail: append-only rows, each holding the hash of the one before, so that an edit or a gap shows.

Promises: numbers have no gap, a row is written in the transaction of the act it records, and `verify` finds any
altered, removed or reordered row. It cannot see that the newest rows were cut off: compare `head` with one noted
elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.audit.models import AuditEntry

GENESIS = "0" * 64
DOMAIN = b"surefoot-audit-v1\x00"
SELDOM = timedelta(hours=1)
"""One row an hour for each device tells a person all that a thousand would."""
LOCK = 0x5F00_0001
"""Any constant of ours: the advisory lock that keeps the chain single-file on PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`broken_at` is the first row that does not fit its predecessor, None where the chain is whole."""

    rows: int
    head: str
    broken_at: int | None = None
    problem: str = ""

    @property
    def whole(self) -> bool:
        return self.broken_at is None


def record(
    session: Session, actor: str, action: str, object: str, detail: Mapping[str, Any], now: datetime
) -> AuditEntry:
    """Append a row in the caller's write transaction. `detail` must be plain JSON."""
    db.serialise(session, LOCK)
    session.flush()
    last = session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).first()
    entry = AuditEntry(
        seq=last.seq + 1 if last else 1,
        at=now.astimezone(timezone.utc),
        actor=actor,
        action=action,
        object=object,
        detail=json.loads(json.dumps(detail)),
        previous=last.hash if last else GENESIS,
        hash="",
    )
    entry.hash = hash_of(entry)
    session.add(entry)
    session.flush()
    return entry


def record_seldom(
    session: Session, actor: str, action: str, object: str, detail: Mapping[str, Any], now: datetime
) -> AuditEntry | None:
    """Append a row unless the same action on the object is noted within SELDOM: for what an attacker can repeat."""
    newest = (
        select(AuditEntry)
        .where(AuditEntry.object == object, AuditEntry.action == action)
        .order_by(col(AuditEntry.seq).desc())
        .limit(1)
    )
    last = session.exec(newest).first()
    if last is not None and now - last.at < SELDOM:
        return None
    return record(session, actor, action, object, detail, now)


def hash_of(entry: AuditEntry) -> str:
    """The sha256 of every other field in a canonical form."""
    fields = [
        entry.seq,
        entry.at.astimezone(timezone.utc).isoformat(timespec="microseconds"),
        entry.actor,
        entry.action,
        entry.object,
        entry.detail,
        entry.previous,
    ]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(DOMAIN + text.encode()).hexdigest()


def verify(session: Session) -> Verification:
    """Walk the chain from its first row."""
    head, rows = GENESIS, 0
    for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.seq)).execution_options(yield_per=1000)):
        rows += 1
        if entry.seq != rows:
            return Verification(rows - 1, head, rows, f"row {rows} is missing")
        if entry.previous != head:
            return Verification(rows - 1, head, entry.seq, f"row {entry.seq} does not follow the row before it")
        if hash_of(entry) != entry.hash:
            return Verification(rows - 1, head, entry.seq, f"row {entry.seq} was altered")
        head = entry.hash
    return Verification(rows, head)


def entries(
    session: Session, object: str | None = None, limit: int = 200, before: int | None = None
) -> list[AuditEntry]:
    """Return the newest rows first, of one object if named, below the number `before` if given."""
    query = select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(limit)
    if object is not None:
        query = query.where(AuditEntry.object == object)
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    return list(session.exec(query))
