"""The audit trail: append-only rows, each holding the hash of the one before, so that an edit or a gap shows.

Promises: numbers have no gap, a row is written in the transaction of the act it records, the database itself refuses to
change or remove one (triggers), and `verify` finds what was altered, removed or reordered by whoever took the triggers
away. That the newest rows were cut off shows against a checkpoint that was noted elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.audit import chain
from surefoot_server.audit.chain import GENESIS, Row, Verification
from surefoot_server.audit.models import AuditEntry
from surefoot_shared.messages import Checkpoint

SELDOM = timedelta(hours=1)
"""One row an hour for each device tells a person all that a thousand would."""
LOCK = 0x5F00_0001
"""Any constant of ours: the advisory lock that keeps the chain single-file on PostgreSQL."""


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
    if noted_lately(session, action, object, now):
        return None
    return record(session, actor, action, object, detail, now)


def noted_lately(session: Session, action: str, object: str, now: datetime) -> bool:
    """Whether `record_seldom` would pass it over."""
    newest = (
        select(AuditEntry)
        .where(AuditEntry.object == object, AuditEntry.action == action)
        .order_by(col(AuditEntry.seq).desc())
        .limit(1)
    )
    last = session.exec(newest).first()
    return last is not None and now - last.at < SELDOM


def hash_of(entry: AuditEntry) -> str:
    """The sha256 of every other field in a canonical form."""
    return chain.hash_of(row_of(entry))


def row_of(entry: AuditEntry) -> Row:
    return Row(**{name: getattr(entry, name) for name in Row.__dataclass_fields__})


def verify(session: Session, noted: Checkpoint | None = None) -> Verification:
    """Walk the chain from its first row, and through a checkpoint that was noted."""
    stored = select(AuditEntry).order_by(col(AuditEntry.seq)).execution_options(yield_per=1000)
    return chain.walk((row_of(entry) for entry in session.exec(stored)), noted)


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
