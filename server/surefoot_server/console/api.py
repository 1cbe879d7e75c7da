"""The console's own routes: signing in and out, how a person wants pages to look, the files of pages, and each page.

Promises: the session cookie is HttpOnly and SameSite=Strict and opens console pages only; what is not a secret may be
set without signing in. Refuses forms that another site sends.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from surefoot_server import db
from surefoot_server.access import sessions, signing_in
from surefoot_server.access.guard import COOKIE, open_route, own_form, require_session
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import assets, frame, refusals
from surefoot_server.console.navigation import pages
from surefoot_server.languages.catalogue import NAMES
from surefoot_server.state import state_of
from surefoot_shared.errors import NotAllowed, NotFound, Unreachable

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require_session(Role.VIEWER, Over.ANYWHERE))]
SignIn = Annotated[None, Depends(open_route("the form that asks who it is"))]
Looks = Annotated[None, Depends(open_route("language and colours, kept by the browser that asks"))]
Same = Annotated[None, Depends(open_route("the same for everybody"))]
A_YEAR_S = 31_536_000
LONGEST = 2000
"""Characters of an address to go back to."""


@router.get("/sign-in")
def sign_in_form(
    request: Request,
    _open: SignIn,
    to: Annotated[str, Query(alias="next", max_length=LONGEST)] = "/",
    ended: bool = False,
) -> HTMLResponse:
    said = refusals.KINDS["not_signed_in"] if ended else ""
    problem = frame.language_of(request).gettext(said) if said else ""
    return frame.show(request, "sign_in.html", problem=problem, provider=_provider(request), to=frame.own_path(to))


@router.post("/sign-in")
def sign_in(
    request: Request,
    _open: SignIn,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=256)] = "",
    token: Annotated[str, Form(max_length=200)] = "",
    to: Annotated[str, Form(alias="next", max_length=LONGEST)] = "/",
) -> Response:
    own_form(request)
    to = frame.own_path(to)
    try:
        secret = signing_in.by_form(request, name.strip(), password, token.strip(), db.utc_now())
    except (NotAllowed, Unreachable) as error:
        return _sign_in_again(request, error, to)
    return signing_in.signed_in(request, secret, RedirectResponse(to, 303))


def _sign_in_again(request: Request, error: NotAllowed | Unreachable, to: str) -> Response:
    say = frame.language_of(request)
    if isinstance(error, NotAllowed):
        problem = say.gettext("The name, the password or the token is wrong.")
        return frame.show(request, "sign_in.html", status=401, problem=problem, provider=_provider(request), to=to)
    wait_s = int(error.retry_after_s or 1)
    problem = say.gettext("Too many attempts to sign in. Try again in %(seconds)s seconds.", seconds=wait_s)
    answer = frame.show(request, "sign_in.html", status=429, problem=problem, provider=_provider(request), to=to)
    answer.headers["Retry-After"] = str(wait_s)
    return answer


def _provider(request: Request) -> bool:
    """Whether there is an identity provider to go to."""
    return state_of(request).oidc is not None


@router.post("/sign-out")
def sign_out(request: Request, _who: Viewer) -> Response:
    with state_of(request).db.write() as session:
        sessions.close_session(session, request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.post("/preferences")
def preferences(
    request: Request,
    _open: Looks,
    language: Annotated[str | None, Form(max_length=8)] = None,
    theme: Annotated[str | None, Form(max_length=8)] = None,
    back: Annotated[str, Form(max_length=LONGEST)] = "/",
) -> Response:
    """Keep the language or the colours; what is not known is forgotten, so that the browser's own wish counts."""
    own_form(request)
    response = RedirectResponse(frame.own_path(back), 303)
    if language is not None:
        _keep(response, frame.LANGUAGE_COOKIE, language if language in NAMES else "")
    if theme is not None:
        _keep(response, frame.THEME_COOKIE, theme if theme in frame.THEMES else "")
    return response


@router.get("/static/{name:path}")
def static(request: Request, name: str, _open: Same) -> Response:
    asset = assets.assets().get(name)
    if asset is None:
        raise NotFound("not_found", "There is no such file.")
    named = request.query_params.get("v") == asset.version
    headers = {
        "Cache-Control": f"public, max-age={A_YEAR_S}, immutable" if named else "no-cache",
        "Vary": "Accept-Encoding",
    }
    body = asset.plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=asset.media_type, headers=headers)


@router.get("/favicon.ico")
def icon(_open: Same) -> Response:
    mark = assets.assets()["icon.svg"]
    return Response(mark.plain, media_type=mark.media_type, headers={"Cache-Control": "max-age=86400"})


for page in pages():
    router.include_router(page.router)


async def to_sign_in(request: Request, _error: Exception) -> Response:
    """To the form, and from there to the page that was asked for; what a form sent is not done, and the page says so.

    A link in a mail is followed without the cookie, which is SameSite=Strict: the page then asks for itself again.
    """
    fields: dict[str, str] = {}
    if request.method != "GET":
        fields = {"ended": "true", "next": urlsplit(request.headers.get("referer", "")).path or "/"}
    elif "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers:
        to = frame.own_path(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
        if request.headers.get("sec-fetch-site") == "cross-site":
            return frame.show(request, "signed_in.html", to=to, signed=False)
        fields = {"next": to if len(to) <= LONGEST else "/"}
    if fields.get("next") == "/":
        del fields["next"]
    return RedirectResponse("/sign-in" + (f"?{urlencode(fields)}" if fields else ""), 303)


def _keep(response: Response, name: str, value: str) -> None:
    if value:
        response.set_cookie(name, value, max_age=A_YEAR_S, samesite="strict", httponly=True, path="/")
    else:
        response.delete_cookie(name, path="/", samesite="strict", httponly=True)
