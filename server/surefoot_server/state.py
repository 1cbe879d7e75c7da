"""What one running server is made of, built once at start and handed to every route through the application's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.requests import HTTPConnection

from surefoot_server.access.attempts import Attempts
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.enrolment.attempts import Attempts as Enrolments
from surefoot_server.releases.leases import LeaseTokens
from surefoot_shared.messages import Ack, Lease, Request, TrustHint

if TYPE_CHECKING:  # these import the guard of routes, which imports this module
    from surefoot_server.access.oidc import Oidc
    from surefoot_server.audit.checkpoints import Checkpoints
    from surefoot_server.devices.service import DeviceService
    from surefoot_server.drills.service import DrillService
    from surefoot_server.enrolment.service import EnrolmentService
    from surefoot_server.events.streams import Streams
    from surefoot_server.feedback.hooks import Hooks
    from surefoot_server.feedback.service import FeedbackService
    from surefoot_server.findings.builders import Builders
    from surefoot_server.findings.service import Concern
    from surefoot_server.keys.online import OnlineRepository
    from surefoot_server.notify.service import NotifyService
    from surefoot_server.releases.blobs import BlobStore
    from surefoot_server.releases.objects import ObjectStorage
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
    builders: Builders
    """Whose word counts about how a release was built."""
    online: OnlineRepository
    devices: DeviceService
    releases: ReleaseService
    rollouts: RolloutService
    enrolment: EnrolmentService
    feedback: FeedbackService
    hooks: Hooks
    drills: DrillService
    checkpoints: Checkpoints
    downlink: Downlink
    notify: NotifyService
    streams: Streams
    """Everybody who follows what happens."""
    oidc: Oidc | None = None
    """The identity provider that people may sign in with."""
    attempts: Attempts = field(default_factory=Attempts)
    """To sign in, per address and name."""
    enrolling: Enrolments = field(default_factory=Enrolments)
    """To be enrolled, per address and device id."""
    objects: ObjectStorage | None = None
    """Where devices fetch blobs from if there is such a place."""
    deny: Callable[[], None] = lambda: None
    """The set of revoked devices changed: mute them at the broker."""
    problems: Callable[[], Sequence[str]] = tuple
    """One sentence for each part of the server that does not do its work."""
    warnings: Callable[[], Sequence[str]] = tuple
    """One sentence for each thing that will stop it if nobody acts: signatures that expire."""
    findings: Callable[[], Sequence[Concern]] = tuple
    """Releases that devices run although something bad is known of their parts."""
    counters: Callable[[], Mapping[str, float | Mapping[str, float]]] = dict
    """The server's own figures for /metrics; a mapping carries one label."""


def state_of(connection: HTTPConnection) -> ServerState:
    state = connection.app.state.surefoot
    assert isinstance(state, ServerState)
    return state
