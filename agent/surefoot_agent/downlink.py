"""What the link brings, as frozen values: the server's messages, and the connection's coming and going.

Promises: a value is well-formed; what is not becomes `MessageRefused`, whoever sent it. Bundle and halt list stay
bytes: only the trust module reads them. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from surefoot_shared import topics, wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Ack, Lease, Request, TrustHint


@dataclass(frozen=True, slots=True)
class Connected:
    """Subscribed; time for hello. `pair` names the key and certificate that the broker let in."""

    pair: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """`reason` is a kind: unreachable, not_allowed or identity_conflict; `message` is for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class BundleArrived:
    raw: bytes


@dataclass(frozen=True, slots=True)
class HaltArrived:
    raw: bytes


@dataclass(frozen=True, slots=True)
class AckArrived:
    ack: Ack


@dataclass(frozen=True, slots=True)
class LeaseArrived:
    lease: Lease


@dataclass(frozen=True, slots=True)
class RequestArrived:
    request: Request


@dataclass(frozen=True, slots=True)
class TrustHintArrived:
    hint: TrustHint


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A message of the server that cannot be read; reported, never fatal."""

    topic: str
    message: str


LinkEvent = (
    Connected
    | Disconnected
    | BundleArrived
    | HaltArrived
    | AckArrived
    | LeaseArrived
    | RequestArrived
    | TrustHintArrived
    | MessageRefused
)


def parse_down(device_id: str, topic: str, payload: bytes) -> LinkEvent:
    """Turn one message of the server into its value; a malformed one into MessageRefused."""
    try:
        return _parse(device_id, topic, payload)
    except Invalid as error:
        return MessageRefused(topic, error.message)


def _parse(device_id: str, topic: str, payload: bytes) -> LinkEvent:
    if len(payload) > wire.LIMIT_BYTES:
        raise Invalid("malformed", f"The message has {len(payload)} bytes; {wire.LIMIT_BYTES} are allowed.")
    if topic == topics.FLEET_HALT:
        return HaltArrived(payload)
    if topic == topics.FLEET_TRUST:
        return TrustHintArrived(wire.decode(TrustHint, payload))
    for what in topics.DOWN:
        if topic == topics.down(device_id, what):
            return _parse_own(what, payload)
    raise Invalid("malformed", f"{topic[:200]!r} is not a topic of this device.")


def check_lease(lease: Lease) -> Lease:
    """Return the lease, or raise Invalid: a server names network sources, never files of this device."""
    named = [source.url for source in lease.sources] + ([lease.mint_url] if lease.mint_url else [])
    if not all(url.startswith(("https://", "http://")) for url in named):
        raise Invalid("malformed", "The lease names a source that is not on the network.")
    return lease


def _parse_own(what: str, payload: bytes) -> LinkEvent:
    match what:
        case "bundle":
            return BundleArrived(payload)
        case "ack":
            return AckArrived(wire.decode(Ack, payload))
        case "lease":
            return LeaseArrived(check_lease(wire.decode(Lease, payload)))
        case _:
            return RequestArrived(wire.decode(Request, payload))
