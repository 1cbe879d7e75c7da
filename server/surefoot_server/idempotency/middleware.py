"""`Idempotency-Key` on every write of the API, before any route sees it.

Promises: without the header nothing is different; an answer that changed nothing (a refusal to sign in, a bug, a full
disk) is not kept. Uploads of blobs pass untouched: they are named by their content, so they are idempotent already.
Source: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from surefoot_server import db
from surefoot_server.access import service as access
from surefoot_server.db import Database
from surefoot_server.errors import problem_of
from surefoot_server.idempotency import service
from surefoot_server.idempotency.service import Answer, Asked
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid, SurefootError

HEADER = "idempotency-key"
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PREFIX, BLOBS = "/api/v1/", "/api/v1/blobs/"
BODY_BYTES = 8 << 20
"""The largest document that any route takes is a manifest; what is larger is a blob."""
KEY_LENGTH = 255
NOT_KEPT = frozenset({401, 403, 429})


class Idempotency:
    """Plain ASGI, so that answers without a key are passed on as they come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if _is_write(scope) else Headers({})
        key = headers.get(HEADER)
        if key is None or "authorization" not in headers:  # without a credential a key would be everybody's
            await self._app(scope, receive, send)
            return
        try:
            asked = await _asked(scope, headers, key, receive)
            answer = await self._answer(state_of(HTTPConnection(scope)).db, asked, scope)
        except SurefootError as error:
            answer = problem_of(error)
        await answer(scope, receive, send)

    async def _answer(self, database: Database, asked: Asked, scope: Scope) -> Response:
        await run_in_threadpool(_check_credential, database, asked.credential)
        kept = await run_in_threadpool(service.begin, database, asked, db.utc_now())
        if kept is not None:
            return Response(kept.body, kept.status, {"Idempotent-Replayed": "true"}, kept.media_type or None)
        taken = _Taken(asked.body)
        try:
            await self._app(scope, taken.receive, taken.send)
        except BaseException:
            await run_in_threadpool(service.forget, database, asked)
            raise
        answer = taken.answer()
        if answer.status >= 500 or answer.status in NOT_KEPT:
            await run_in_threadpool(service.forget, database, asked)
        else:
            await run_in_threadpool(service.keep, database, asked, answer)
        return taken.response()


def _check_credential(database: Database, credential: str) -> None:
    """A kept answer is for who may still ask; raises NotAllowed."""
    _, _, token = credential.partition(" ")
    with database.read() as session:
        access.principal_of(session, token.strip(), db.utc_now())


class _Taken:
    """One exchange with the application behind: the body it is given, and what it answers."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._start: Message = {}
        self._parts: list[bytes] = []

    async def receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))

    def answer(self) -> Answer:
        media_type = Headers(raw=self._start["headers"]).get("content-type", "")
        return Answer(self._start["status"], media_type, b"".join(self._parts))

    def response(self) -> Response:
        made = Response(b"".join(self._parts), self._start["status"])
        made.raw_headers = list(self._start["headers"])
        return made


def _is_write(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] not in WRITES:
        return False
    path: str = scope["path"]
    return path.startswith(PREFIX) and not path.startswith(BLOBS)


async def _asked(scope: Scope, headers: Headers, key: str, receive: Receive) -> Asked:
    if not 0 < len(key) <= KEY_LENGTH or not key.isprintable():
        raise Invalid("malformed", f"An Idempotency-Key has 1 to {KEY_LENGTH} printable characters.")
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise Invalid("too_large", f"With an Idempotency-Key a request has at most {BODY_BYTES} bytes.")
        if not message.get("more_body", False):
            break
    address = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
    return Asked(headers.get("authorization", ""), key, scope["method"], address, bytes(body))
