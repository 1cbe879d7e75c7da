"""What somebody who owns the database does first: take the triggers away that keep the audit trail."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session


def unlock(session: Session) -> None:
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
        return
    for act in ("update", "delete"):
        connection.execute(text(f"DROP TRIGGER IF EXISTS audit_entry_kept_{act}"))
