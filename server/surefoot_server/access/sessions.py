"""Console sessions: opened by whoever signed in, ended by time, by idleness, by signing out, or with what they rest on.

Promises: the cookie's secret has 256 random bits and is kept as a hash only; a session is worth what its user or token
is worth at this moment, so a role that was withdrawn is gone at once.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete

from surefoot_server.access import service, users
from surefoot_server.access.models import AccessToken, ConsoleSession, User
from surefoot_server.access.roles import Principal
from surefoot_server.db import Database

SEEN_EVERY = timedelta(seconds=60)
"""How exact idleness is measured: a write at every request would be one for every picture of a page."""


def open_session(session: Session, principal: Principal, now: datetime, valid_s: float) -> str:
    """Start a console session and return its secret for the cookie; sessions that ended are swept here."""
    session.exec(delete(ConsoleSession).where(col(ConsoleSession.expires_at) <= now))
    secret = secrets.token_urlsafe(32)
    session.add(
        ConsoleSession(
            secret_hash=_hash(secret),
            token_id=principal.token_id or None,
            user_id=None if principal.token_id else principal.user_id,
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(seconds=valid_s),
        )
    )
    return secret


def close_session(session: Session, secret: str) -> None:
    session.exec(delete(ConsoleSession).where(col(ConsoleSession.secret_hash) == _hash(secret)))


def principal_of_session(session: Session, secret: str, now: datetime, idle_s: float) -> Principal:
    """Whose session this is; raises NotAllowed(not_signed_in)."""
    row = session.get(ConsoleSession, _hash(secret))
    if row is None or row.expires_at <= now or now - row.seen_at >= timedelta(seconds=idle_s):
        raise service.not_signed_in()
    if row.token_id is not None:
        token = session.get(AccessToken, row.token_id)
        if token is not None:
            return service.principal_of_token(session, token, now)
    user = session.get(User, row.user_id) if row.user_id is not None else None
    if user is None:
        raise service.not_signed_in()
    return users.principal_of(session, user)


def seen(database: Database, secret: str, now: datetime) -> None:
    """Somebody uses the session: it is idle from now on. Writes once a minute at most."""
    with database.read() as session:
        row = session.get(ConsoleSession, _hash(secret))
    if row is None or now - row.seen_at < SEEN_EVERY:
        return
    with database.write() as session:
        row = session.get(ConsoleSession, _hash(secret))
        if row is not None:
            row.seen_at = now
            session.add(row)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
