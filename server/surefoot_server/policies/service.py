"""Saved policies: keep them under a name, and turn a name or a document into the document.

Promises: a name is told from a document by its form alone, since no document is a single word; what is saved parses.
Refuses to touch rollouts that run: each keeps the document that it began with.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from surefoot_server.audit import service as audit
from surefoot_server.cohorts.service import NAME
from surefoot_server.policies.models import SavedPolicy
from surefoot_server.rollouts import policy as policies
from surefoot_shared.errors import Invalid, NotFound


def is_name(text: str) -> bool:
    return NAME.fullmatch(text) is not None


def saved(session: Session) -> list[SavedPolicy]:
    """All of them, by name."""
    return list(session.exec(select(SavedPolicy).order_by(SavedPolicy.name)))


def get(session: Session, name: str) -> SavedPolicy:
    row = session.get(SavedPolicy, name)
    if row is None:
        raise NotFound("not_found", f"There is no saved policy {name!r}.", "`surefoot policy list` shows all.")
    return row


def resolve(session: Session, text: str) -> str:
    """Take a saved policy's name or a document, and return the document; raises NotFound for an unknown name."""
    return get(session, text).text if is_name(text) else text


def save(session: Session, name: str, text: str, by: str, now: datetime) -> SavedPolicy:
    """Keep the document under the name, instead of the one before; raises Invalid."""
    if not is_name(name):
        hint = "Use 1 to 64 small letters, digits, dashes or underscores."
        raise Invalid("malformed", f"{name!r} is not a name for a policy.", hint)
    policies.parse(text)
    row = session.get(SavedPolicy, name)
    before = row.text if row else None
    row = row or SavedPolicy(name=name, text=text, changed_at=now, changed_by=by)
    row.text, row.changed_at, row.changed_by = text, now, by
    session.add(row)
    audit.record(session, by, "policy.save", f"policy:{name}", {"before": before, "after": text}, now)
    return row


def remove(session: Session, name: str, by: str, now: datetime) -> None:
    row = get(session, name)
    session.delete(row)
    session.flush()
    audit.record(session, by, "policy.remove", f"policy:{name}", {"before": row.text}, now)
