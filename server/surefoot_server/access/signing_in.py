"""From a form to a session: limits first, then the name and password or the token, then one line of audit.

Promises: a form that another site sent is refused; the cookie is HttpOnly and SameSite=Strict, and Secure where people
come by https. What was typed as a name is audited only where such a user exists: people type passwords there.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TypeVar

from fastapi import Request, Response
from sqlmodel import Session, select

from surefoot_server.access import service, sessions, users
from surefoot_server.access.guard import COOKIE, own_form
from surefoot_server.access.models import User
from surefoot_server.access.roles import Principal
from surefoot_server.audit import service as audit
from surefoot_server.state import ServerState, state_of
from surefoot_shared.errors import NotAllowed, SurefootError, Unreachable

Answer = TypeVar("Answer", bound=Response)


def by_form(request: Request, name: str, password: str, token: str, now: datetime) -> str:
    """Sign in and return the secret of the session; raises NotAllowed, or Unreachable(too_many)."""
    own_form(request)
    state, address = state_of(request), address_of(request)
    try:
        state.attempts.take(address, name, time.monotonic())
        with state.db.read() as session:
            who = service.principal_of(session, token, now) if token else users.judge(session, name, password)
    except (NotAllowed, Unreachable) as error:
        note(state, error, name, address, now)
        raise
    return opened(state, who, "token" if token else "password", address, now)


def opened(state: ServerState, who: Principal, way: str, address: str, now: datetime) -> str:
    """Open a session for somebody who proved who they are."""
    with state.db.write() as session:
        secret = sessions.open_session(session, who, now, state.settings.session_valid_s)
        audit.record(session, who.name, "sign_in", _object(who), {"way": way, "address": address}, now)
    return secret


def signed_in(request: Request, secret: str, answer: Answer) -> Answer:
    """Give the session's cookie along."""
    settings = state_of(request).settings
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(settings.session_valid_s),
        httponly=True,
        samesite="strict",
        secure=settings.console_url.startswith("https:"),
        path="/",
    )
    return answer


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def note(state: ServerState, error: SurefootError, name: str, address: str, now: datetime) -> None:
    """Audit who was not let in."""
    act = "sign_in.limited" if error.kind == "too_many" else "sign_in.refused"
    with state.db.write() as session:
        known = _known(session, name)
        detail = {"address": address, "reason": error.message}
        if known and act == "sign_in.refused":
            audit.record(session, "server", act, f"user:{known}", detail, now)
        else:
            audit.record_seldom(session, "server", act, f"user:{known}" if known else f"address:{address}", detail, now)


def _known(session: Session, name: str) -> str:
    return session.exec(select(User.name).where(User.name == name)).first() or ""


def _object(who: Principal) -> str:
    return f"token:{who.token_id}" if who.token_id else f"user:{who.name}"
