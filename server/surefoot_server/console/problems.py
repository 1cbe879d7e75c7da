"""A refusal as a page: what was refused, why, and what to do; for programs it stays a problem document.

Promises: only a browser that asked for a page of the console gets one; kind and status are the same for both.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.responses import Response

from surefoot_server import errors
from surefoot_server.console import frame, refusals
from surefoot_server.console.refusals import Refusal
from surefoot_shared.errors import SurefootError

PROGRAMS = ("/api/", "/metrics", "/healthz", "/static/")


def install(app: FastAPI) -> None:
    """Answer browsers with pages; after `errors.install`, whose handlers answer everybody else."""
    app.add_exception_handler(SurefootError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(DataError, _malformed)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, SurefootError)
    if not _is_person(request):
        return await errors.refused(request, error)
    return _page(request, refusals.of(frame.language_of(request), error), errors.status_of(error))


async def _malformed(request: Request, error: Exception) -> Response:
    if not _is_person(request):
        return await (errors.unfit if isinstance(error, DataError) else errors.malformed)(request, error)
    say = frame.language_of(request)
    message = say.gettext("The address or the form holds something that does not belong there.")
    return _page(request, Refusal("malformed", message, "", ""), 422)


def _page(request: Request, refusal: Refusal, status: int) -> Response:
    form = frame.came_from(request) if request.method == "POST" else "/"
    return frame.show(request, "problem.html", status=status, error=refusal, form=form)


def _is_person(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(PROGRAMS)
