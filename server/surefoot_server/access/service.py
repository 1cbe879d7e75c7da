"""API tokens: made once, shown once, kept as hashes, checked in constant time.

Promises: a token that is unknown, expired or revoked is refused with the same words, so nothing can be learnt from
them; a token whose maker was a person counts as that person and can do no more than they may now. Refuses to keep or
log a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session, col, delete, select

from surefoot_server.access import users
from surefoot_server.access.models import AccessToken, ConsoleSession, User
from surefoot_server.access.roles import FLEET, Grant, Principal, Role, Scope, highest, narrowed
from surefoot_server.audit import service as audit
from surefoot_shared.errors import Conflict, NotAllowed, NotFound

PREFIX = "sf_"
"""Lets secret scanners find a token that was pasted where it should not be."""
FIRST_TOKEN = "operator"
USER = "user:"


def create_token(
    session: Session,
    name: str,
    role: Role,
    actor: str,
    now: datetime,
    valid_s: float | None = None,
    scopes: Sequence[Scope] = (),
    person: str = "",
) -> tuple[AccessToken, str]:
    """Make a token and return its row and its text, which is not kept anywhere."""
    if _named(session, name) or session.exec(select(User.id).where(User.name == name)).first() is not None:
        raise Conflict("conflict", f"There already is a token or user named {name!r}.", "Choose another name.")
    secret = secrets.token_hex(32)
    row = AccessToken(
        id=secrets.token_hex(6),
        name=name,
        role=role.value,
        secret_hash=_hash(secret),
        created_at=now,
        created_by=actor,
        expires_at=None if valid_s is None else now + timedelta(seconds=valid_s),
        scopes=[str(scope) for scope in scopes if scope != FLEET],
        person=person,
    )
    session.add(row)
    after = {"name": name, "role": role.value, "scopes": row.scopes, "expires_at": _at(row.expires_at)}
    audit.record(session, actor, "token.create", f"token:{row.id}", after, now)
    return row, f"{PREFIX}{row.id}_{secret}"


def revoke_token(session: Session, token_id: str, actor: str, now: datetime) -> AccessToken:
    row = session.get(AccessToken, token_id) or _named(session, token_id)
    if row is None:
        raise NotFound("not_found", f"There is no token {token_id!r}.", "`surefoot token list` shows all.")
    if row.revoked_at is None:
        row.revoked_at = now
        session.add(row)
        session.exec(delete(ConsoleSession).where(col(ConsoleSession.token_id) == row.id))
        audit.record(session, actor, "token.revoke", f"token:{row.id}", {"name": row.name}, now)
    return row


def tokens(session: Session) -> list[AccessToken]:
    return list(session.exec(select(AccessToken).order_by(AccessToken.name)))


def principal_of(session: Session, token: str, now: datetime) -> Principal:
    """Return who holds the token; raises NotAllowed(not_signed_in)."""
    token_id, _, secret = token.removeprefix(PREFIX).partition("_")
    row = session.get(AccessToken, token_id) if token.startswith(PREFIX) else None
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
        raise not_signed_in()
    return principal_of_token(session, row, now)


def principal_of_token(session: Session, row: AccessToken, now: datetime) -> Principal:
    """What the token is worth now; raises NotAllowed where it ended, or its owner may do nothing any more."""
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise not_signed_in()
    role = Role(row.role)
    held = tuple(Grant(Scope.parse(text), role) for text in row.scopes) or (Grant(FLEET, role),)
    if row.person.startswith(USER):
        held = narrowed(held, _owners(session, row.person.removeprefix(USER)))
        if not held:
            raise not_signed_in()
    fleet = highest(g.role for g in held if g.scope == FLEET)
    return Principal(
        row.name, fleet or highest(g.role for g in held) or role, row.id, row.person or f"token:{row.id}", held
    )


def ensure_first_token(session: Session, path: Path, now: datetime) -> None:
    """Make the administrator's token at the first start and write it to a file that only its owner reads."""
    if path.exists():
        return
    old = _named(session, FIRST_TOKEN)
    if old is not None:  # the file was removed: the operator wants a new secret, so the old one dies
        revoke_token(session, old.id, "server", now)
        old.name = f"{FIRST_TOKEN}-{old.id}"
        session.flush()
    _, text = create_token(session, FIRST_TOKEN, Role.ADMIN, "server", now)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def not_signed_in() -> NotAllowed:
    return NotAllowed("not_signed_in", "The token is missing, unknown or no longer valid.", "Pass a valid API token.")


def _owners(session: Session, user_id: str) -> tuple[Grant, ...]:
    owner = session.get(User, user_id)
    return () if owner is None or owner.disabled_at is not None else users.grants(session, user_id)


def _named(session: Session, name: str) -> AccessToken | None:
    found: AccessToken | None = session.exec(select(AccessToken).where(AccessToken.name == name)).first()
    return found


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
