"""API tokens and console sessions: made once, shown once, kept as hashes, checked in constant time.

Promises: a token that is unknown, expired or revoked is refused with the same words, so nothing can be learnt from
them. Refuses to keep or log a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session, col, delete, select

from surefoot_server.access.models import AccessToken, ConsoleSession
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import service as audit
from surefoot_shared.errors import Conflict, NotAllowed, NotFound

PREFIX = "sf_"
"""Lets secret scanners find a token that was pasted where it should not be."""
FIRST_TOKEN = "operator"


def create_token(
    session: Session, name: str, role: Role, actor: str, now: datetime, valid_s: float | None = None
) -> tuple[AccessToken, str]:
    """Make a token and return its row and its text, which is not kept anywhere."""
    if session.exec(select(AccessToken).where(AccessToken.name == name)).first() is not None:
        raise Conflict("conflict", f"There already is a token named {name!r}.", "Choose another name.")
    secret = secrets.token_hex(32)
    row = AccessToken(
        id=secrets.token_hex(6),
        name=name,
        role=role.value,
        secret_hash=_hash(secret),
        created_at=now,
        created_by=actor,
        expires_at=None if valid_s is None else now + timedelta(seconds=valid_s),
    )
    session.add(row)
    audit.record(session, actor, "token.create", f"token:{row.id}", {"name": name, "role": role.value}, now)
    return row, f"{PREFIX}{row.id}_{secret}"


def revoke_token(session: Session, token_id: str, actor: str, now: datetime) -> AccessToken:
    row = session.get(AccessToken, token_id)
    if row is None:
        raise NotFound("not_found", f"There is no token {token_id!r}.")
    if row.revoked_at is None:
        row.revoked_at = now
        session.add(row)
        session.exec(delete(ConsoleSession).where(col(ConsoleSession.token_id) == token_id))
        audit.record(session, actor, "token.revoke", f"token:{token_id}", {"name": row.name}, now)
    return row


def tokens(session: Session) -> list[AccessToken]:
    return list(session.exec(select(AccessToken).order_by(AccessToken.name)))


def principal_of(session: Session, token: str, now: datetime) -> Principal:
    """Return who holds the token; raises NotAllowed(not_signed_in)."""
    token_id, _, secret = token.removeprefix(PREFIX).partition("_")
    row = session.get(AccessToken, token_id) if token.startswith(PREFIX) else None
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
        raise _not_signed_in()
    return _principal(row, now)


def open_session(session: Session, principal: Principal, now: datetime, valid_s: float) -> str:
    """Start a console session and return its secret for the cookie; sessions that ended are swept here."""
    session.exec(delete(ConsoleSession).where(col(ConsoleSession.expires_at) <= now))
    secret = secrets.token_urlsafe(32)
    until = now + timedelta(seconds=valid_s)
    session.add(ConsoleSession(secret_hash=_hash(secret), token_id=principal.token_id, expires_at=until))
    return secret


def close_session(session: Session, secret: str) -> None:
    session.exec(delete(ConsoleSession).where(col(ConsoleSession.secret_hash) == _hash(secret)))


def principal_of_session(session: Session, secret: str, now: datetime) -> Principal:
    row = session.get(ConsoleSession, _hash(secret))
    token = session.get(AccessToken, row.token_id) if row is not None and row.expires_at > now else None
    if token is None:
        raise _not_signed_in()
    return _principal(token, now)


def ensure_first_token(session: Session, path: Path, now: datetime) -> None:
    """Make the administrator's token at the first start and write it to a file that only its owner reads."""
    if path.exists():
        return
    old = session.exec(select(AccessToken).where(AccessToken.name == FIRST_TOKEN)).first()
    if old is not None:  # the file was removed: the operator wants a new secret, so the old one dies
        revoke_token(session, old.id, "server", now)
        old.name = f"{FIRST_TOKEN}-{old.id}"
        session.flush()
    _, text = create_token(session, FIRST_TOKEN, Role.ADMIN, "server", now)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def _principal(row: AccessToken, now: datetime) -> Principal:
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise _not_signed_in()
    return Principal(row.name, Role(row.role), row.id)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _not_signed_in() -> NotAllowed:
    return NotAllowed("not_signed_in", "The token is missing, unknown or no longer valid.", "Pass a valid API token.")
