"""Error → HTTP status, in one table, and the problem document that every refused request gets.

Promises: a problem has RFC 9457's members type, title, status and detail, and ours: kind (stable, for machines),
message and hint; 422 means malformed input and nothing else; a bug is a 500 without inner details.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError
from starlette.exceptions import HTTPException

from surefoot_server.space import HINT, is_full
from surefoot_shared.errors import (
    KINDS,
    ConfigError,
    Conflict,
    InstallFailed,
    Invalid,
    NotAllowed,
    NotFound,
    SurefootError,
    Unreachable,
    UntrustedRelease,
)

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
TYPE = "urn:surefoot:problem:"
"""Before the kind; a name and no address, since the kinds are in the registry of errors and not on some web server."""

STATUS: dict[type[SurefootError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    Conflict: 409,
    Invalid: 422,
    UntrustedRelease: 409,
    Unreachable: 503,
    ConfigError: 500,
    InstallFailed: 500,
}
KIND_STATUS: dict[str, int] = {
    "not_signed_in": 401,
    "lease_expired": 401,
    "enrolment_refused": 403,
    "target_mismatch": 409,
    "too_large": 413,
    "no_space": 507,
    "too_many": 429,
}
"""Kinds whose status differs from their family's."""
HTTP_KINDS = {404: "not_found", 405: "wrong_method", 401: "not_signed_in", 403: "not_allowed", 413: "too_large"}


def status_of(error: SurefootError) -> int:
    if error.kind in KIND_STATUS:
        return KIND_STATUS[error.kind]
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(
    status: int, kind: str, message: str, hint: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(document(status, kind, message, hint), status, headers=headers, media_type=MEDIA_TYPE)


def document(status: int, kind: str, message: str, hint: str = "") -> dict[str, str | int]:
    """The members of a problem; `detail` is `message` under the standard's name."""
    title = kind.replace("_", " ").capitalize()
    return {
        "type": f"{TYPE}{kind}",
        "title": title,
        "status": status,
        "detail": message,
        "kind": kind,
        "message": message,
        "hint": hint,
    }


def install(app: FastAPI) -> None:
    """Translate every error that leaves a route of the app."""
    app.add_exception_handler(SurefootError, refused)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, unfit)
    app.add_exception_handler(DBAPIError, _store)
    app.add_exception_handler(OSError, _store)
    app.add_exception_handler(Exception, _bug)


async def refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SurefootError)
    return problem_of(error)


def problem_of(error: SurefootError) -> JSONResponse:
    """The answer that the error is, with the headers that its status asks for."""
    headers = {"WWW-Authenticate": "Bearer"} if status_of(error) == 401 else {}
    if isinstance(error, Unreachable):
        headers["Retry-After"] = str(int(error.retry_after_s or 5))
    return problem(status_of(error), error.kind, error.message, error.hint, headers)


async def malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return problem(
        422,
        "malformed",
        f"The request is malformed: {_first(error.errors())}.",
        "GET /api/v1/openapi.json describes every request.",
    )


def _first(errors: Sequence[Any]) -> str:
    if not errors:
        return "it cannot be parsed"
    where = ".".join(str(part) for part in errors[0].get("loc", ()))
    return f"{where}: {errors[0].get('msg', 'wrong')}"


async def unfit(_request: Request, _error: Exception) -> JSONResponse:
    """Text that PostgreSQL does not take, such as with a NUL in it."""
    return problem(422, "malformed", "Something that was sent holds what no database stores.", KINDS["malformed"].hint)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = HTTP_KINDS.get(error.status_code, "malformed" if error.status_code < 500 else "internal")
    hint = KINDS[kind].hint
    return problem(error.status_code, kind, f"{str(error.detail).rstrip('.')}.", hint, dict(error.headers or {}))


async def _store(_request: Request, error: Exception) -> JSONResponse:
    """A full disk is no bug, nor is a writer that took too long; everything else that a store raises is."""
    if "database is locked" in str(error):
        message = "Something else wrote to the server's database for too long, so nothing was changed."
        return problem(503, "busy", message, KINDS["busy"].hint, {"Retry-After": "1"})
    if not is_full(error):
        raise error
    log.error("no_space error=%s", type(error).__name__)
    return problem(507, "no_space", "The server's disk is full, so nothing was changed.", HINT)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error, extra={"path": request.url.path})
    return problem(500, "internal", "The server failed on this request.", "Its log has the details; please report it.")
