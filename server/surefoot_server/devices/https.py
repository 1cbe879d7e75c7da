"""What a device may fetch over HTTPS: a token for its signature, its bundle, and leave to download.

Promises: who a device is follows from its signature alone, then from the token that it earned; a request serves once; a
revoked device gets nothing. Headers in which proxies name a client's certificate are no proof here: a request that
carries one is refused and audited. Refuses to decide what a device shall run: the bundle is the one of MQTT.
"""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import open_route, require_device
from surefoot_server.audit import service as audit
from surefoot_server.devices import repository
from surefoot_server.devices.models import Device
from surefoot_server.state import ServerState, state_of
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, NotAllowed, NotFound, Unreachable
from surefoot_shared.identity import open_sealed
from surefoot_shared.messages import MetadataVersions, Sealed
from surefoot_shared.seals import SealKind
from surefoot_shared.tokens import TokenRequest

device_router = APIRouter(prefix="/api/v1", tags=["devices"])
NUMBERS = "token:"
"""Token requests have a numbering of their own, so that one that overtakes a hello does not make it look old."""
FORGED = "token.refused"


class SealedIn(BaseModel):
    payload: str = Field(max_length=2048)
    signature: str = Field(max_length=256)
    v: int = 1


TURN_S = 30.0
"""Between two tries of a device that waits for its turn to download."""
USED = "The request was used before."
SIGNS_ANEW = "The device signs a new request; nothing is to be done."
ENROLS_AGAIN = "Where it is to come back, enrol it again: `surefoot device replace` makes the token."


class TokenOut(BaseModel):
    token: str
    valid_s: float
    v: int = 1


@device_router.post(
    "/token", dependencies=[Depends(open_route("the device's signature in the body is the permission"))]
)
def token(request: Request, body: SealedIn) -> TokenOut:
    """Give a token of an hour for a request that the device signed; the same request again is refused."""
    state = state_of(request)
    device_id, refused = _judge(state, Sealed(body.payload, body.signature, body.v))
    if refused:
        raise NotAllowed("not_allowed", refused, SIGNS_ANEW if refused == USED else ENROLS_AGAIN)
    return TokenOut(token=state.tokens.mint(device_id, db.utc_now()), valid_s=state.tokens.valid_s)


@device_router.get("/bundle")
def bundle(request: Request, device_id: Annotated[str, Depends(require_device)]) -> Response:
    """The bundle of MQTT, whole: who fetches over HTTPS has not said what it holds."""
    state = state_of(request)
    with state.db.read() as session:
        raw = state.devices.bundle_for(session, device_id, db.utc_now(), MetadataVersions(), MetadataVersions())
    return Response(raw, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


@device_router.post("/lease")
def lease(request: Request, device_id: Annotated[str, Depends(require_device)]) -> Response:
    """The lease of MQTT: leave to download for what is wanted of the device now, and what is offered for it."""
    state, now = state_of(request), db.utc_now()
    with state.db.read() as session:
        shared = state.devices.shares_a_rate(session, device_id, now)
    with state.db.write() if shared else state.db.read() as session:
        given = state.devices.lease_for(session, device_id, now)
    if given is None and shared:
        raise Unreachable("busy", "Other devices have all of the bandwidth.", retry_after_s=TURN_S)
    if given is None:
        raise NotFound("not_found", f"{device_id} has nothing to download.", "Nothing to do: the device is up to date.")
    return Response(wire.encode(given), media_type="application/json", headers={"Cache-Control": "no-store"})


def _judge(state: ServerState, sealed: Sealed) -> tuple[str, str]:
    """Return (device id, why it is refused or ""); a refusal is in the audit trail when this returns."""
    claimed = wire.decode(TokenRequest, sealed.payload.encode())
    now = db.utc_now()
    with state.db.write() as session:
        device = session.get(Device, claimed.device)
        if device is None:
            return (
                claimed.device,
                "The device is not enrolled here.",
            )  # no row to audit it under: anybody can say a name
        refused = "The device is revoked." if device.revoked_at is not None else _forged(device, sealed)
        if not refused:
            numbers = repository.stream(session, device.id, NUMBERS + claimed.stream)
            if claimed.seq > numbers.hello_seq:
                numbers.hello_seq = claimed.seq
                session.add(numbers)
            else:
                refused = USED
        if refused:
            audit.record_seldom(session, "gateway", FORGED, f"device:{device.id}", {"why": refused}, now)
    return claimed.device, refused


def _forged(device: Device, sealed: Sealed) -> str:
    for key in repository.keys_of(device):  # two during a renewal
        with contextlib.suppress(Invalid):
            open_sealed(SealKind.TOKEN, sealed, key)
            return ""
    return "The request is not signed with the device's key."
