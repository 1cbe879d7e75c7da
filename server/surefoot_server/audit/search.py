"""Find entries of the audit trail, page by page, and write all that are found as CSV or JSON lines.

Promises: what is written can be checked against the chain, since every field that the hash covers is in it; a reader
that is slow holds no transaction open. A cell that a spreadsheet would take for a formula is made plain text.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from sqlalchemy import ColumnElement, String, cast
from sqlmodel import Session, col, or_, select

from surefoot_server.audit.models import AuditEntry

CHUNK = 1000
COLUMNS = ("seq", "at", "actor", "action", "object", "detail", "previous", "hash")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell must not begin with. Source: OWASP, CSV injection."""

Opens = Callable[[], AbstractContextManager[Session]]


class Form(str, Enum):
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Question:
    """Which entries; every part that is given must hold.

    `object` is kind:id, or a kind alone; `action` is one act, or the part before its dot; `text` is in the detail.
    """

    object: str = ""
    actor: str = ""
    action: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


def page(session: Session, question: Question, limit: int, before: int | None = None) -> list[AuditEntry]:
    """The newest first, below the number `before` if given."""
    query = select(AuditEntry).where(*_conditions(question))
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    return list(session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(limit)))


def actors(session: Session) -> list[str]:
    """Everybody who ever did something, devices left out: they are many, and each is found by its object."""
    query = select(AuditEntry.actor).distinct().where(~col(AuditEntry.actor).startswith("device:"))
    return sorted(session.exec(query))


def actions(session: Session) -> list[str]:
    return sorted(session.exec(select(AuditEntry.action).distinct()))


def written(opens: Opens, question: Question, form: Form) -> Iterator[str]:
    """All that are found, the oldest first, in pieces; `opens` gives a session for each piece."""
    if form is Form.CSV:
        yield _csv([COLUMNS])
    after = 0
    while True:
        with opens() as session:
            query = select(AuditEntry).where(AuditEntry.seq > after, *_conditions(question))
            rows = list(session.exec(query.order_by(col(AuditEntry.seq)).limit(CHUNK)))
        if not rows:
            return
        after = rows[-1].seq
        yield _csv([_cells(row) for row in rows]) if form is Form.CSV else "".join(_json(row) for row in rows)


def _conditions(question: Question) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if question.object:
        found.append(_whole_or_before(AuditEntry.object, question.object, ":"))
    if question.action:
        found.append(_whole_or_before(AuditEntry.action, question.action, "."))
    if question.actor:
        found.append(col(AuditEntry.actor) == question.actor)
    if question.text:
        ways = (question.text, json.dumps(question.text)[1:-1])  # the detail is JSON, which is stored in ASCII
        found.append(or_(*(cast(AuditEntry.detail, String).icontains(way, autoescape=True) for way in ways)))
    if question.since is not None:
        found.append(col(AuditEntry.at) >= question.since)
    if question.until is not None:
        found.append(col(AuditEntry.at) < question.until)
    return found


def _whole_or_before(column: str, text: str, mark: str) -> ColumnElement[bool]:
    return or_(col(column) == text, col(column).startswith(text + mark, autoescape=True))


def _cells(row: AuditEntry) -> list[str]:
    detail = json.dumps(row.detail, sort_keys=True, ensure_ascii=False)
    return [str(row.seq), _at(row), row.actor, row.action, row.object, detail, row.previous, row.hash]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    made = io.StringIO()
    csv.writer(made).writerows([[f"'{c}" if c.startswith(FORMULA) else c for c in row] for row in rows])
    return made.getvalue()


def _json(row: AuditEntry) -> str:
    fields = {name: getattr(row, name) for name in COLUMNS} | {"at": _at(row)}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _at(row: AuditEntry) -> str:
    return row.at.astimezone(timezone.utc).isoformat(timespec="microseconds")
