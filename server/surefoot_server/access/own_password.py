"""Changing one's own password: whoever knows the present one may, wherever they signed in.

Promises: guesses count against the same limits as signing in; a wrong one is audited, without it; once it is changed,
every session of the user ended. Passwords are hashed and compared while no transaction waits. Refuses users whom only
the identity provider lets in: there is no password of theirs here.
"""

from __future__ import annotations

import time
from datetime import datetime

from surefoot_server.access import passwords, service, users
from surefoot_server.access.models import User
from surefoot_server.access.roles import Principal
from surefoot_server.audit import service as audit
from surefoot_server.state import ServerState
from surefoot_shared.errors import Conflict, Invalid, NotAllowed

ACT, REFUSED = "user.password", "user.password.refused"
HINT = "Sign in by name, or with a token of yours."


def change(state: ServerState, who: Principal, old: str, new: str, address: str, now: datetime) -> None:
    """Raises NotAllowed where the present one is wrong, Invalid for a poor new one, Unreachable(too_many), Conflict."""
    row = user_of(state, who)
    state.attempts.take(address, row.name, time.monotonic())
    if row.password_hash is None:
        hint = "The identity provider knows it."
        raise Conflict("conflict", f"{row.name} has no password here that could be changed.", hint)
    if not passwords.matches(row.password_hash, old):
        with state.db.write() as session:
            audit.record_seldom(session, row.name, REFUSED, f"user:{row.name}", {"address": address}, now)
        raise NotAllowed("not_allowed", "The present password is wrong, so it was not changed.", "Try it again.")
    passwords.check(row.name, new)
    if new == old:
        raise Invalid("malformed", "The new password is the present one.", "Choose another one.")
    hashed = passwords.hash_of(new)
    with state.db.write() as session:
        found = session.get(User, row.id)
        if found is None or found.password_hash != row.password_hash:
            raise Conflict("conflict", "The password was changed in between.", "Sign in again.")
        found.password_hash, found.password_at = hashed, now
        session.add(found)
        users.end_sessions(session, found.id)
        audit.record(session, row.name, ACT, f"user:{row.name}", {"by": "self", "address": address}, now)


def user_of(state: ServerState, who: Principal) -> User:
    """The user behind a session or a token; raises Conflict where it is a program's."""
    user_id = who.user_id or who.person.removeprefix(service.USER)
    with state.db.read(whole=True) as session:
        row = session.get(User, user_id)
    if row is None or row.disabled_at is not None:
        raise Conflict("conflict", f"{who.name} is no user, so there is no password to change.", HINT)
    return row
