"""The two HTTP applications: operators' routes on one, devices' routes on the other, never both on a listener.

Promises: a device listener, which faces the network, serves enrolment, tokens and downloads and nothing else; every
refused request gets a problem document; pages carry the strict headers below.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import surefoot_server.errors as errors
from surefoot_server import metrics
from surefoot_server.access import api as access
from surefoot_server.access import own_api, users_api
from surefoot_server.access.guard import SignInNeeded, require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.audit import api as audit
from surefoot_server.channels import api as channels
from surefoot_server.cohorts import api as cohorts
from surefoot_server.console import api as console
from surefoot_server.console import problems
from surefoot_server.devices import api as devices
from surefoot_server.devices import https, selection, sites_api
from surefoot_server.drills import api as drills
from surefoot_server.enrolment import api as enrolment
from surefoot_server.enrolment import permits
from surefoot_server.events import api as events
from surefoot_server.evidence import api as evidence
from surefoot_server.feedback import api as feedback
from surefoot_server.findings import api as findings
from surefoot_server.fleet import api as configuration
from surefoot_server.idempotency.middleware import Idempotency
from surefoot_server.notify import api as notify
from surefoot_server.openapi import described, operation_id
from surefoot_server.policies import api as policies
from surefoot_server.releases import api as releases
from surefoot_server.rollouts import api as rollouts
from surefoot_server.rollouts import verdicts
from surefoot_server.spoofs import RefuseCertificateHeaders
from surefoot_server.state import ServerState
from surefoot_server.telemetry import api as telemetry

OPERATOR_ROUTERS: tuple[APIRouter, ...] = (
    devices.router,
    selection.router,
    sites_api.router,
    releases.router,
    cohorts.router,
    channels.router,
    findings.router,
    evidence.router,
    policies.router,
    configuration.router,
    rollouts.router,
    verdicts.router,
    enrolment.router,
    permits.router,
    feedback.router,
    drills.router,
    telemetry.router,
    events.router,
    notify.router,
    audit.router,
    access.router,
    own_api.router,
    users_api.router,
    metrics.router,
    console.router,
)
DEVICE_ROUTERS: tuple[APIRouter, ...] = (enrolment.device_router, https.device_router, releases.device_router)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # none at all would make browsers send forms with `Origin: null`
    "Cache-Control": "no-store",
}


class StrictHeaders:
    """Adds HEADERS where a response does not say otherwise. Plain ASGI: starlette's wrapper would copy downloads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def create_app(state: ServerState) -> FastAPI:
    """The operators' application; bind it to the loopback address."""
    app = FastAPI(
        title="Surefoot",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=operation_id,
    )
    app.add_middleware(Idempotency)
    _finish(app, state, OPERATOR_ROUTERS)
    problems.install(app)

    @app.get("/api/v1/openapi.json", include_in_schema=False)
    def openapi(_who: Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]) -> dict[str, Any]:
        return described(app)

    return app


def create_device_app(state: ServerState) -> FastAPI:
    """The devices' application; serve it over TLS."""
    app = FastAPI(title="Surefoot devices", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(RefuseCertificateHeaders)
    return _finish(app, state, DEVICE_ROUTERS)


def _finish(app: FastAPI, state: ServerState, routers: tuple[APIRouter, ...]) -> FastAPI:
    app.state.surefoot = state
    errors.install(app)
    for router in routers:
        app.include_router(router)

    app.add_exception_handler(SignInNeeded, console.to_sign_in)
    app.add_middleware(StrictHeaders)
    return app
