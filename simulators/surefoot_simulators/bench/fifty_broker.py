"""A broker, the server's broadcast behind its gateway, and devices with links of their own: fetching over MQTT alone.

Promises: certificates, topics and rights are the real ones; of the server nothing else runs: what devices say besides
asking for chunks is dropped.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.downlink import Connected, LinkEvent
from surefoot_agent.download.air import Air
from surefoot_agent.enrol import certificate_request
from surefoot_agent.identity import Identity
from surefoot_agent.link import Link
from surefoot_server.broadcast import Broadcast
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.gateway import Gateway, GatewayConfig
from surefoot_server.pki.ca import CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_server.releases.blobs import BlobStore
from surefoot_shared import wire
from surefoot_shared.errors import Unreachable
from surefoot_shared.identity import DeviceKey, DevicePublicKey, generate_key, key_to_pem
from surefoot_shared.messages import ChunkRequest, Event, Hello, PresenceMessage, Response, TelemetryBatch
from surefoot_shared.status import Presence

RATE_BYTES_PER_S = 4_000_000
WAIT_S = 60.0


@dataclass(frozen=True)
class OnTheAir:
    devices: Sequence[Air]
    chunk_bytes: int
    sent_bytes: Callable[[], int]
    """In all; nothing is sent any more afterwards."""


@contextlib.contextmanager
def on_the_air(folder: Path, blobs: BlobStore, devices: int) -> Iterator[OnTheAir]:
    """Connect so many devices. Raises Unreachable where one of them, or the server, does not get through."""
    with contextlib.ExitStack() as parts:
        ca = create_ca(folder / "ca")
        pki = prepare_pki(folder / "pki", ca, ["127.0.0.1"])
        broker = start_broker(folder, "127.0.0.1", 0, pki)
        parts.callback(broker.stop)
        gateway: Gateway
        broadcast = Broadcast(blobs, lambda topic, raw: gateway.publish_chunk(topic, raw), RATE_BYTES_PER_S)
        keys = (pki.ca, pki.service_cert, pki.service_key)
        gateway = Gateway(GatewayConfig(broker.host, broker.port, broker.protocol, *keys), _Asked(broadcast.ask))
        for part in (gateway, broadcast):
            part.start()
            parts.callback(part.stop)
        key, airs = generate_key(), []
        if not gateway.wait_connected(WAIT_S):
            raise Unreachable("unreachable", "The server does not reach the broker.")
        for n in range(devices):
            link = _connected(_identity(folder, f"cam-{n}", key, ca, pki, broker))
            parts.callback(link.stop)
            air = Air(f"cam-{n}")
            air.attach(link)
            airs.append(air)

        def sent_bytes() -> int:
            broadcast.stop()  # a chunk is heard before it is counted
            return int(broadcast.counters()["broadcast_bytes_total"])

        yield OnTheAir(airs, broadcast.chunk_bytes, sent_bytes)


def _connected(identity: Identity) -> Link:
    there = threading.Event()

    def heard(event: LinkEvent) -> None:
        if isinstance(event, Connected):
            there.set()

    link = Link(identity, heard, wire.encode(PresenceMessage(Presence.ONLINE, "bench")))
    link.start()
    if not there.wait(WAIT_S):
        link.stop()
        raise Unreachable("unreachable", f"{identity.device} does not reach the broker.")
    return link


def _identity(
    folder: Path, name: str, key: DeviceKey, ca: CertificateAuthority, pki: PkiFiles, broker: RunningBroker
) -> Identity:
    files = folder / "keys" / name
    files.mkdir(parents=True)
    (files / "key").write_bytes(key_to_pem(key))
    (files / "crt").write_bytes(ca.issue_device(certificate_request(name, key), name))
    return Identity(
        device=name,
        hw="x86-box",
        server_url="https://127.0.0.1",
        mqtt_host=broker.host,
        mqtt_port=broker.port,
        mqtt_protocol=broker.protocol,
        key_file=files / "key",
        cert_file=files / "crt",
        ca_file=pki.ca,
    )


class _Asked:
    """GatewayHandlers, and the ingest of every batch: questions for chunks are passed on."""

    def __init__(self, ask: Callable[[ChunkRequest], None]) -> None:
        self._ask = ask

    @contextlib.contextmanager
    def batch(self) -> Iterator[_Asked]:
        yield self

    def chunks(self, device_id: str, request: ChunkRequest) -> None:
        self._ask(request)

    def public_keys(self, device_id: str) -> Sequence[DevicePublicKey]:
        return ()

    def expect(self, device_ids: Collection[str], assignment_ids: Collection[str]) -> None: ...
    def cut(self, device_id: str) -> None: ...
    def signed(self, device_id: str, key: DevicePublicKey) -> None: ...
    def hello(self, hello: Hello) -> None: ...
    def events(self, device_id: str, events: Sequence[Event]) -> None: ...
    def telemetry(self, device_id: str, batches: Sequence[TelemetryBatch]) -> None: ...
    def presence(self, device_id: str, message: PresenceMessage) -> None: ...
    def response(self, device_id: str, response: Response) -> None: ...
