"""People: made, given roles, disabled; and how one proves by a password to be one of them.

Promises: whoever cannot sign in is refused with the same words and after the same time, whatever was wrong; a password
is shown to nobody and written nowhere; there always is somebody who may administer the fleet.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, delete, select

from surefoot_server.access import passwords
from surefoot_server.access.models import AccessToken, ConsoleSession, User, UserGrant
from surefoot_server.access.roles import FLEET, Grant, Principal, Role, Scope, ScopeKind, highest
from surefoot_server.audit import service as audit
from surefoot_server.channels.models import Channel
from surefoot_server.cohorts.models import Cohort
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}")
FIRST_USER = "admin"


def ensure_first(session: Session, now: datetime) -> str:
    """Make the administrator where there is no user at all; return the password, which is kept nowhere, or ""."""
    if session.exec(select(User.id).limit(1)).first() is not None or _token_named(session, FIRST_USER):
        return ""
    password = passwords.made()
    create(session, FIRST_USER, password, [Grant(FLEET, Role.ADMIN)], "server", now)
    return password


def create(
    session: Session,
    name: str,
    password: str | None,
    grants: Iterable[Grant],
    actor: str,
    now: datetime,
    *,
    subject: str | None = None,
) -> User:
    """Make a user; without a password only an identity provider lets it in. Raises Invalid, Conflict, NotFound."""
    if not NAME.fullmatch(name):
        hint = "Use 1 to 64 letters, digits, dots, dashes, underscores, + or @, the first a letter or digit."
        raise Invalid("malformed", f"{name[:64]!r} is not a name for a user.", hint)
    if session.exec(select(User).where(User.name == name)).first() is not None or _token_named(session, name):
        raise Conflict("conflict", f"There already is a user or token named {name!r}.", "Choose another name.")
    if password is not None:
        passwords.check(name, password)
    held = list(grants)
    row = User(id=secrets.token_hex(6), name=name, created_at=now, created_by=actor, subject=subject)
    if password is not None:
        row.password_hash, row.password_at = passwords.hash_of(password), now
    session.add(row)
    session.flush()
    for each in held:
        _write(session, row, each, actor, now)
    audit.record(session, actor, "user.create", f"user:{name}", {"after": _told(held)}, now)
    return row


def users(session: Session) -> list[User]:
    return list(session.exec(select(User).order_by(User.name)))


def names(session: Session) -> dict[str, str]:
    """id → name."""
    return {row.id: row.name for row in users(session)}


def get(session: Session, name: str) -> User:
    row: User | None = session.exec(select(User).where(User.name == name)).first()
    if row is None:
        raise NotFound("not_found", f"There is no user {name!r}.", "`surefoot user list` shows all.")
    return row


def grants(session: Session, user_id: str) -> tuple[Grant, ...]:
    rows = session.exec(select(UserGrant).where(UserGrant.user_id == user_id))
    return tuple(sorted(Grant(Scope.parse(row.scope), Role(row.role)) for row in rows))


def grant(session: Session, name: str, given: Grant, actor: str, now: datetime, reason: str = "") -> User:
    """Give a role in a scope, instead of the one that the user had there."""
    row = get(session, name)
    before = grants(session, row.id)
    _write(session, row, given, actor, now)
    _keep_an_administrator(session, before)
    _record(session, row, "user.grant", before, actor, now, reason)
    return row


def withdraw(session: Session, name: str, scope: Scope, actor: str, now: datetime, reason: str = "") -> User:
    """Take the role in a scope away."""
    row = get(session, name)
    before = grants(session, row.id)
    found = session.get(UserGrant, (row.id, str(scope)))
    if found is None:
        raise NotFound("not_found", f"{name} has no role over {scope}.", "`surefoot user list` shows what each has.")
    session.delete(found)
    _keep_an_administrator(session, before)
    _record(session, row, "user.withdraw", before, actor, now, reason)
    return row


def set_grants(session: Session, row: User, wanted: Sequence[Grant], actor: str, now: datetime, reason: str) -> None:
    """Let the user have these and no others."""
    before = grants(session, row.id)
    if tuple(sorted(wanted)) == before:
        return
    session.exec(delete(UserGrant).where(col(UserGrant.user_id) == row.id))
    for each in wanted:
        _write(session, row, each, actor, now)
    _record(session, row, "user.grant", before, actor, now, reason)


def disable(session: Session, name: str, actor: str, now: datetime, reason: str = "") -> User:
    """Let the user in no more, with nothing: its sessions end, its tokens open nothing."""
    row = get(session, name)
    if row.disabled_at is None:
        row.disabled_at = now
        session.add(row)
        end_sessions(session, row.id)
        _keep_an_administrator(session, grants(session, row.id))
        _record_state(session, row, "user.disable", "enabled", "disabled", actor, now, reason)
    return row


def enable(session: Session, name: str, actor: str, now: datetime, reason: str = "") -> User:
    row = get(session, name)
    if row.disabled_at is not None:
        row.disabled_at = None
        session.add(row)
        _record_state(session, row, "user.enable", "disabled", "enabled", actor, now, reason)
    return row


def set_password(session: Session, name: str, password: str, actor: str, now: datetime) -> User:
    """Give a new password, by an administrator; every session of the user ends."""
    row = get(session, name)
    passwords.check(name, password)
    row.password_hash, row.password_at = passwords.hash_of(password), now
    session.add(row)
    end_sessions(session, row.id)
    audit.record(session, actor, "user.password", f"user:{name}", {"by": "administrator"}, now)
    return row


def judge(session: Session, name: str, password: str) -> Principal:
    """Whose name and password these are; raises NotAllowed(not_signed_in). Takes 0.1 s: call it while none waits."""
    row = session.exec(select(User).where(User.name == name)).first()
    fits = passwords.matches(row.password_hash if row else None, password)
    if row is None or not fits or row.disabled_at is not None:
        raise NotAllowed("not_signed_in", "The name or the password is wrong.", "Ask an administrator for a new one.")
    return principal_of(session, row)


def principal_of(session: Session, row: User) -> Principal:
    """The person, with all its roles; raises NotAllowed where it was disabled."""
    if row.disabled_at is not None:
        raise NotAllowed("not_signed_in", "The name or the password is wrong.", "Ask an administrator.")
    held = grants(session, row.id)
    role = highest(g.role for g in held if g.scope == FLEET) or highest(g.role for g in held)
    if role is None:
        raise NotAllowed("not_signed_in", f"{row.name} has no role here.", "Ask an administrator for one.")
    return Principal(row.name, role, "", f"user:{row.id}", held, row.id)


def people(session: Session, now: datetime) -> dict[Role, int]:
    """Role → how many people or tokens of nobody have it, or a higher one, and may sign in."""
    found: dict[str, Role | None] = {}
    for token in session.exec(select(AccessToken).where(col(AccessToken.revoked_at).is_(None))):
        if token.expires_at is None or token.expires_at > now:
            found[token.person or f"token:{token.id}"] = Role(token.role)
    for row in users(session):
        held = None if row.disabled_at else highest(g.role for g in grants(session, row.id))
        found[f"user:{row.id}"] = held
    return {role: sum(1 for held in found.values() if held is not None and held.includes(role)) for role in Role}


def person_of(session: Session, name: str) -> str:
    """Who is behind a name of the audit trail: the same for a user and every token of theirs; else the name."""
    row = session.exec(select(User).where(User.name == name)).first()
    if row is not None:
        return f"user:{row.id}"
    token = session.exec(select(AccessToken).where(AccessToken.name == name)).first()
    if token is None:
        return name
    return token.person or f"token:{token.id}"


def check_scope(session: Session, scope: Scope) -> None:
    """Raise NotFound where the cohort or channel is not there."""
    kind = scope.kind.value
    table = {ScopeKind.COHORT: Cohort, ScopeKind.CHANNEL: Channel}.get(scope.kind)
    if table is not None and session.get(table, scope.name) is None:
        raise NotFound("not_found", f"There is no {kind} {scope.name!r}.", f"`surefoot {kind} list` shows all.")


def _write(session: Session, row: User, given: Grant, actor: str, now: datetime) -> None:
    check_scope(session, given.scope)
    found = session.get(UserGrant, (row.id, str(given.scope)))
    found = found or UserGrant(user_id=row.id, scope=str(given.scope), role="", granted_at=now, granted_by=actor)
    found.role, found.granted_at, found.granted_by = given.role.value, now, actor
    session.add(found)
    session.flush()


def _keep_an_administrator(session: Session, before: Iterable[Grant]) -> None:
    """Raise Conflict where the one who had these was the last."""
    if Grant(FLEET, Role.ADMIN) not in before:
        return
    query = (
        select(User.id)
        .join(UserGrant, col(UserGrant.user_id) == col(User.id))
        .where(UserGrant.scope == str(FLEET), UserGrant.role == Role.ADMIN.value, col(User.disabled_at).is_(None))
        .limit(1)
    )
    session.flush()
    if session.exec(query).first() is None:
        hint = "Make another administrator first: `surefoot user grant NAME --role admin`."
        raise Conflict("conflict", "Nobody would be left to administer the fleet.", hint)


def end_sessions(session: Session, user_id: str) -> None:
    """Sign the user out everywhere; sessions that rest on a token go on."""
    session.exec(delete(ConsoleSession).where(col(ConsoleSession.user_id) == user_id))


def _record(
    session: Session, row: User, act: str, before: Sequence[Grant], actor: str, now: datetime, reason: str
) -> None:
    detail = {"before": _told(before), "after": _told(grants(session, row.id)), "reason": reason}
    audit.record(session, actor, act, f"user:{row.name}", detail, now)


def _record_state(
    session: Session, row: User, act: str, before: str, after: str, actor: str, now: datetime, reason: str
) -> None:
    audit.record(session, actor, act, f"user:{row.name}", {"before": before, "after": after, "reason": reason}, now)


def _told(held: Iterable[Grant]) -> Mapping[str, str]:
    return {str(g.scope): g.role.value for g in held}


def _token_named(session: Session, name: str) -> bool:
    return session.exec(select(AccessToken.id).where(AccessToken.name == name)).first() is not None
