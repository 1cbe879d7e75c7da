"""Fetch the bundle and leave to download over HTTPS, for a device that its broker cannot be reached from.

Promises: the token is earned by a signature with the device's key, each request is numbered by the journal and serves
once; what comes back goes the very way of MQTT: the bundle is verified by the trust child, the lease is checked at the
border. Refuses to report: events wait in the outbox until the broker is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import https
from surefoot_agent.downlink import check_lease
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.messages import Lease, Sealed
from surefoot_shared.seals import SealKind
from surefoot_shared.tokens import DeviceToken, TokenRequest
from surefoot_shared.trust.bundle import RAW_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Pulled:
    """What the server gave; no lease where nothing is to be downloaded."""

    bundle: bytes
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Puller:
    """`next_seq` numbers requests for good; `seal` signs with the device's key."""

    device: str
    server_url: str
    ca_file: Path
    stream: str
    next_seq: Callable[[], int]
    new_id: Callable[[], str]
    now: Callable[[], str]
    seal: Callable[[SealKind, bytes], Sealed]

    def request(self) -> bytes:
        """Return a sealed request for a token; a new one each time."""
        asked = TokenRequest(self.device, self.stream, self.next_seq(), self.new_id(), self.now())
        return wire.encode(self.seal(SealKind.TOKEN, wire.encode(asked)))

    def send(self, request: bytes) -> Pulled:
        """Ask for a token, the bundle and leave to download. Raises ConfigError, Unreachable or Invalid."""
        _, raw = https.ask(self.server_url, self.ca_file, "/api/v1/token", request)
        bearer = {"Authorization": f"Bearer {wire.decode(DeviceToken, raw).token}"}
        _, bundle = https.ask(self.server_url, self.ca_file, "/api/v1/bundle", None, bearer, RAW_LIMIT_BYTES)
        if len(bundle) > RAW_LIMIT_BYTES:
            raise Invalid("malformed", f"The server's bundle has more than {RAW_LIMIT_BYTES} bytes.")
        try:
            _, lease = https.ask(self.server_url, self.ca_file, "/api/v1/lease", b"", bearer)
        except ConfigError as error:
            if error.kind != "not_found":
                raise
            return Pulled(bundle, None)
        return Pulled(bundle, check_lease(wire.decode(Lease, lease)))
