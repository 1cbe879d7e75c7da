"""The way to the identity provider and back: a link, and the page that the provider sends the browser to."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from surefoot_server import db
from surefoot_server.access import oidc, signing_in, users
from surefoot_server.access.guard import open_route
from surefoot_server.access.oidc import BACK, Oidc
from surefoot_server.console import frame
from surefoot_server.state import state_of
from surefoot_shared.errors import Conflict, NotAllowed, NotFound, Unreachable

router = APIRouter(include_in_schema=False)
Open = Annotated[None, Depends(open_route("nobody is signed in yet; the provider's answer is the permission"))]
COOKIE = "surefoot_oidc"
PATH = "/sign-in/oidc"
BEGUN_FOR_S = 600
LONGEST = 1000
"""Characters of a path to come back to; a browser keeps 4,096 bytes of a cookie, and quoting may triple it."""


@router.get(PATH)
def begin(
    request: Request, _open: Open, to: Annotated[str, Query(alias="next", max_length=LONGEST * 3)] = "/"
) -> Response:
    """Keep the page that was asked for beside the secret, and send the browser to the provider."""
    state, to = state_of(request), _short(frame.own_path(to))
    try:
        state.attempts.take(signing_in.address_of(request), "", time.monotonic())
        url, secret = _configured(state.oidc).begin()
    except Unreachable as error:
        return frame.show(request, "sign_in.html", status=503, problem=error.message, provider=True, to=to)
    answer = RedirectResponse(url, 303)
    # Lax and not Strict: the browser comes back from the provider's own page.
    secure = state.settings.console_url.startswith("https:")
    answer.set_cookie(
        COOKIE,
        f"{secret}.{quote(to, safe='')}",
        max_age=BEGUN_FOR_S,
        httponly=True,
        samesite="lax",
        secure=secure,
        path=PATH,
    )
    return answer


@router.get(BACK)
def back(
    request: Request,
    _open: Open,
    code: Annotated[str, Query(max_length=4000)] = "",
    given: Annotated[str, Query(alias="state", max_length=200)] = "",
) -> Response:
    """What the provider says; a page of ours leads on: a Strict cookie is not sent on the way from another site."""
    state, now = state_of(request), db.utc_now()
    address = signing_in.address_of(request)
    kept, _, path = request.cookies.get(COOKIE, "").partition(".")
    to = _short(frame.own_path(unquote(path)))  # a cookie is a browser's word: it leads to a page of ours or to none
    try:
        state.attempts.take(address, "", time.monotonic())
        provider = _configured(state.oidc)
        identity = provider.finish(kept, given, code)
        with state.db.write() as session:
            row = oidc.person(session, identity, provider.provider, now)
        with state.db.read() as session:  # after the roles are stored: one who lost the last is refused and stays so
            who = users.principal_of(session, row)
    except (NotAllowed, Unreachable, Conflict) as error:
        signing_in.note(state, error, "", address, now)
        return frame.show(request, "sign_in.html", status=401, problem=error.message, provider=True, to=to)
    secret = signing_in.opened(state, who, "identity provider", address, now)
    answer = signing_in.signed_in(request, secret, frame.show(request, "signed_in.html", to=to, signed=True))
    answer.delete_cookie(COOKIE, path=PATH)
    return answer


def _short(path: str) -> str:
    return path if len(quote(path, safe="")) <= LONGEST * 3 else "/"


def _configured(found: Oidc | None) -> Oidc:
    if found is None:
        raise NotFound("not_found", "No identity provider is set up here.", "Sign in with a password.")
    return found
