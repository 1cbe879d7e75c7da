"""What one running server is made of, built once at start and handed to every route through the application's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.requests import HTTPConnection

from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.releases.leases import LeaseTokens
from surefoot_shared.messages import Ack, Lease, Request, TrustHint

if TYPE_CHECKING:  # these import the guard of routes, which imports this module
    from surefoot_server.devices.service import DeviceService
    from surefoot_server.enrolment.service import EnrolmentService
    from surefoot_server.keys.online import OnlineRepository
    from surefoot_server.releases.blobs import BlobStore
    from surefoot_server.releases.service import ReleaseService
    from surefoot_server.rollouts.service import RolloutService


class Downlink(Protocol):
    """What can be said to devices; the gateway is one."""

    def forget(self, device_id: str) -> None: ...
    def publish_bundle(self, device_id: str, raw: bytes) -> None: ...
    def publish_lease(self, device_id: str, lease: Lease) -> None: ...
    def publish_ack(self, device_id: str, ack: Ack) -> None: ...
    def publish_halt(self, raw: bytes) -> None: ...
    def publish_trust(self, hint: TrustHint) -> None: ...
    def request(self, device_id: str, request: Request) -> None: ...


@dataclass(frozen=True)
class ServerState:
    settings: Settings
    db: Database
    leases: LeaseTokens
    tokens: LeaseTokens
    """Tokens that devices earn by a signature, for what they fetch over HTTPS."""
    blobs: BlobStore
    online: OnlineRepository
    devices: DeviceService
    releases: ReleaseService
    rollouts: RolloutService
    enrolment: EnrolmentService
    downlink: Downlink
    deny: Callable[[], None] = lambda: None
    """The set of revoked devices changed: mute them at the broker."""
    problems: Callable[[], Sequence[str]] = tuple
    """One sentence for each part of the server that does not do its work."""
    warnings: Callable[[], Sequence[str]] = tuple
    """One sentence for each thing that will stop it if nobody acts: signatures that expire."""
    counters: Callable[[], Mapping[str, float | Mapping[str, float]]] = dict
    """The server's own figures for /metrics; a mapping carries one label."""


def state_of(connection: HTTPConnection) -> ServerState:
    state = connection.app.state.surefoot
    assert isinstance(state, ServerState)
    return state
