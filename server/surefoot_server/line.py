"""The line to the devices: broker, gateway, what comes in and what goes out, wired to each other.

Promises: nothing is received or sent before `start`, and `stop` says what is waiting and then ends.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from surefoot_server.broadcast import Broadcast
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.config import Settings
from surefoot_server.delivery import Delivery
from surefoot_server.devices.leave import Rates, Ways
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.service import DeviceService
from surefoot_server.gateway import Gateway, GatewayConfig
from surefoot_server.ground import Ground
from surefoot_server.ingest import Ingest
from surefoot_server.intake import IntakeLimits
from surefoot_server.packs.service import PackService
from surefoot_server.pki.files import PkiFiles


@dataclass(frozen=True, slots=True)
class Line:
    broker: RunningBroker
    gateway: Gateway
    devices: DeviceService
    packs: PackService
    broadcast: Broadcast
    ingest: Ingest
    delivery: Delivery

    def start(self, parts: ExitStack) -> None:
        """Begin to receive and to send, until `parts` are closed."""
        for start, end in (
            (self.delivery.start, self.delivery.stop),
            (self.gateway.start, self.gateway.stop),
            (self.broadcast.start, self.broadcast.stop),
        ):
            start()
            parts.callback(end)


def lay_line(ground: Ground, parts: ExitStack) -> Line:
    """Start the broker and wire the parts around it. Raises ConfigError where the broker does not start."""
    settings, database = ground.settings, ground.database
    packs = PackService(database, ground.blobs, settings.packs_limit_bytes)
    pace = settings.broadcast_rate_bytes_per_s
    broadcast = Broadcast(ground.blobs, lambda topic, raw: gateway.publish_chunk(topic, raw), pace)
    rates = Rates(settings.site_rate_bytes_per_s, settings.device_rate_bytes_per_s, settings.fleet_rate_bytes_per_s)
    mint_url = f"{settings.blobs_url}urls" if ground.objects else ""
    ways = Ways(("zstd",), mint_url, broadcast.chunk_bytes, settings.artifacts_url)
    lending = Lending(ground.leases, settings.blobs_url, rates, packs.offers, ways)
    devices = DeviceService(ground.online, lending, witness=ground.checkpoints.heard)
    broker = start_broker(settings.data_dir, settings.bind, settings.mqtt_port, ground.pki, out=ground.shut_out())
    parts.callback(broker.stop)
    ingest = Ingest(database, devices, lambda acks, waiting: delivery.answer(acks, waiting), ask_chunks=broadcast.ask)
    gateway = Gateway(_gateway_config(settings, broker, ground.pki), ingest, ingest.put_aside)
    delivery = Delivery(database, devices, gateway)
    database.on_dirty(delivery.changed)
    return Line(broker, gateway, devices, packs, broadcast, ingest, delivery)


def _gateway_config(settings: Settings, broker: RunningBroker, pki: PkiFiles) -> GatewayConfig:
    return GatewayConfig(
        host="127.0.0.1" if broker.host in ("0.0.0.0", "::") else broker.host,  # noqa: S104 - the bind address means all
        port=broker.port,
        protocol=broker.protocol,
        ca=pki.ca,
        cert=pki.service_cert,
        key=pki.service_key,
        limits=IntakeLimits(queue=settings.ingest_queue),
    )
