"""One's own password: changed by whoever knows the present one; this browser stays signed in, every other does not."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access import own_password, sessions, signing_in
from surefoot_server.access.guard import COOKIE, require_session
from surefoot_server.access.passwords import LONGEST, SHORTEST
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import frame
from surefoot_server.errors import status_of
from surefoot_server.languages.catalogue import Language
from surefoot_server.state import state_of
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, SurefootError, Unreachable

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
Password = Annotated[str, Form(max_length=LONGEST)]


@router.get("/password")
def password(request: Request, who: Viewer, changed: bool = False) -> HTMLResponse:
    return _page(request, who, changed=changed)


@router.post("/password")
def change(request: Request, who: Viewer, present: Password = "", new: Password = "", again: Password = "") -> Response:
    """Change it and open a new session for this browser; a mistake is shown on the form."""
    state, now, say = state_of(request), db.utc_now(), frame.language_of(request)
    if new != again:
        return _page(request, who, 422, say.gettext("The new password was typed in two ways."))
    address = signing_in.address_of(request)
    try:
        own_password.change(state, who, present, new, address, now)
    except (Conflict, Invalid, NotAllowed, Unreachable) as error:
        return _page(request, who, status_of(error), _said(say, error))
    with state.db.write() as session:
        sessions.close_session(session, request.cookies.get(COOKIE, ""))
    secret = signing_in.opened(state, who, "password", address, now)
    return signing_in.signed_in(request, secret, RedirectResponse("/password?changed=true", 303))


def _page(
    request: Request, who: Principal, status: int = 200, problem: str = "", changed: bool = False
) -> HTMLResponse:
    return frame.show(
        request,
        "password.html",
        who,
        status=status,
        problem=problem,
        changed=changed,
        person=bool(who.user_id),
        shortest=SHORTEST,
        longest=LONGEST,
    )


def _said(say: Language, error: SurefootError) -> str:
    match error:
        case NotAllowed():
            return say.gettext("The present password is wrong, so it was not changed.")
        case Unreachable():
            wait_s = int(error.retry_after_s or 1)
            return say.gettext("Too many attempts. Try again in %(seconds)s seconds.", seconds=wait_s)
        case Invalid():
            return say.gettext(
                "The new password is too short or too easy to guess: take several words, or a generated one."
            )
    return error.message
