"""Refuse requests to the devices' listener that carry a header in which proxies name a client's certificate.

There is no proxy in front of this listener that checks certificates, so such a header is either a mistake or an attempt
to speak for a device. It proves nothing here either way; refusing it loudly keeps it from ever beginning to. Promises:
the refusal is in the audit trail, once an hour at most for each address, so that a flood cannot fill the disk.
"""

from __future__ import annotations

import json
import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.errors import MEDIA_TYPE
from surefoot_server.state import state_of

SPEAKS_FOR_A_CERTIFICATE = re.compile(
    rb"(x-)?(forwarded-)?(ssl|tls)-client-.*|x-(forwarded-)?client-cert.*|x-ssl-(cert|client|cn|dn|subject).*"
    rb"|client-cert(-chain)?|ssl-client-.*|x-arr-clientcert|x-amzn-mtls-.*|x-client-(cn|dn|subject|verify).*"
)
"""Names used by nginx, Apache, Envoy, HAProxy, Traefik, Azure, AWS; RFC 9440."""
ACTION = "certificate-header.refused"


class RefuseCertificateHeaders:
    """Plain ASGI middleware of the devices' listener."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = [name for name, _ in scope.get("headers", ()) if SPEAKS_FOR_A_CERTIFICATE.fullmatch(name.lower())]
        if scope["type"] != "http" or not names:
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else "unknown"
        database = state_of(HTTPConnection(scope)).db
        await run_in_threadpool(_note, database, address, names[0].decode("latin-1")[:64])
        problem = {
            "kind": "not_allowed",
            "message": "A header that names a client certificate is no proof of anything here.",
            "hint": "Remove the header; devices prove who they are by their signature.",
        }
        headers = [(b"content-type", MEDIA_TYPE.encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(problem).encode()})


def _note(database: Database, address: str, header: str) -> None:
    with database.write() as session:
        audit.record_seldom(session, "gateway", ACTION, f"address:{address}", {"header": header}, db.utc_now())
