"""`surefoot up`: every role of the server in one process, from an empty folder to serving, and down again.

Promises: one server per data folder; what is wrong is said before anything runs; parts start in the order in which
they need each other and stop in reverse, within seconds of SIGTERM or SIGINT; a restart goes on where the last one
was, since everything that matters is in the database. Reads the online keys only, never `offline/`.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_server import db, partitions
from surefoot_server.access import service as access
from surefoot_server.access import users
from surefoot_server.access.oidc import oidc_of
from surefoot_server.app import create_app, create_device_app
from surefoot_server.audit.checkpoints import EVERY_S as CHECKPOINT_S
from surefoot_server.audit.checkpoints import Checkpoints
from surefoot_server.audit.checkpoints import load_or_make_key as load_or_make_audit_key
from surefoot_server.broadcast import Broadcast
from surefoot_server.broker.acl import ShutOut
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.clock import Clock
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.delivery import Delivery
from surefoot_server.devices.leave import Rates, Ways
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.service import DeviceService
from surefoot_server.drills.service import DrillService
from surefoot_server.enrolment.service import EnrolmentService
from surefoot_server.events.feed import Feed
from surefoot_server.events.streams import Streams
from surefoot_server.feedback.hooks import Hooks
from surefoot_server.feedback.service import FeedbackService
from surefoot_server.findings.builders import Builders
from surefoot_server.findings.watch import Watch
from surefoot_server.gateway import Gateway, GatewayConfig
from surefoot_server.housekeeping import RETENTION_S, make_clock
from surefoot_server.ingest import Ingest
from surefoot_server.intake import IntakeLimits
from surefoot_server.keys.alarms import KeyAlarms
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.leader import Leader
from surefoot_server.listeners import Listener, Listeners, take_port
from surefoot_server.notify.forms import outside_of
from surefoot_server.notify.sealing import Sealing
from surefoot_server.notify.sending import Sender
from surefoot_server.notify.service import NotifyService
from surefoot_server.only_one import only_one
from surefoot_server.outlet import Found, Outlet
from surefoot_server.packs.service import PackService
from surefoot_server.pki.authorities import load_authorities
from surefoot_server.pki.ca import prepare_pki
from surefoot_server.pki.crl import REFRESH_S as CRL_S
from surefoot_server.pki.files import PkiFiles
from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.leases import LeaseTokens, load_or_make_key
from surefoot_server.releases.objects import ObjectStorage
from surefoot_server.releases.service import ReleaseService
from surefoot_server.rollouts.service import RolloutService
from surefoot_server.shutout import shut_out
from surefoot_server.state import ServerState
from surefoot_server.stopping import Stop, signals
from surefoot_shared.enrolment import MqttAddress
from surefoot_shared.tokens import TOKEN_VALID_S

log = logging.getLogger(__name__)
SWEEP_S = 30.0
"""How often deadlines are looked at; a flag or an advisory is at once."""
DRILLS_S = 5.0
"""How soon a device of a drill gets its next order; the times are the devices' own."""
ALARMS_S = 3600.0
AGAIN_S = 30.0
"""How soon devices are told what could not be signed, once it can be."""
OBJECTS_S = 15.0
PACKS_S = 10.0
"""Between two packs; making one takes minutes."""
BROKER_WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What an operator needs to know once everything serves."""

    console_url: str
    device_url: str
    broker: str
    mqtt: str
    notice: str
    token_file: Path
    password: str = ""
    """Of the user `admin`, at the first start alone: for a terminal, and for nothing that keeps it."""

    def text(self) -> str:
        """One block for the terminal, without the password."""
        lines = [
            "Surefoot is up.",
            f"  Console     {self.console_url}",
            f"  Devices     {self.device_url}",
            f"  Broker      {self.broker} at {self.mqtt}",
            f"  Token file  {self.token_file}",
        ]
        return "\n".join([*lines, f"  Note        {self.notice}"] if self.notice else lines)


def run_up(settings: Settings, on_ready: Callable[[Ready], None], stop: Stop | None = None) -> None:
    """Serve until told to stop. Raises ConfigError before anything serves, KeyboardInterrupt after a clean SIGINT."""
    stop = stop or Stop()
    with ExitStack() as parts:
        if threading.current_thread() is threading.main_thread():
            parts.enter_context(signals(stop))
        parts.enter_context(only_one(settings.data_dir))
        _serve(settings, on_ready, stop, parts)
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt


def _serve(settings: Settings, on_ready: Callable[[Ready], None], stop: Stop, parts: ExitStack) -> None:
    api_socket = parts.enter_context(take_port("127.0.0.1", settings.api_port, "operators' API"))
    device_socket = parts.enter_context(take_port(settings.bind, settings.device_port, "devices' HTTPS"))
    artifact_socket = _artifact_socket(settings, parts)
    keys = install_keys(settings.keys_dir, settings.data_dir)
    authorities = load_authorities(keys.online_dir)
    database, password = _open_database(settings, parts)
    feed = Feed(database, settings.events_keep)
    streams = Streams(feed, settings.event_streams)
    pki = prepare_pki(
        settings.data_dir / "pki", authorities.serving, [settings.public_host], trusted=authorities.trusted
    )
    online = OnlineRepository(keys.repo_dir, keys.online_dir)
    leases = LeaseTokens(load_or_make_key(settings.secrets_dir / "lease.key"), settings.lease_valid_s)
    tokens = LeaseTokens(load_or_make_key(settings.secrets_dir / "lease.key"), TOKEN_VALID_S, "device")
    blobs = BlobStore(settings.data_dir / "blobs", settings.blob_limit_bytes)
    packs = PackService(database, blobs, settings.packs_limit_bytes)
    rates = Rates(settings.site_rate_bytes_per_s, settings.device_rate_bytes_per_s, settings.fleet_rate_bytes_per_s)
    pace = settings.broadcast_rate_bytes_per_s
    broadcast = Broadcast(blobs, lambda topic, raw: gateway.publish_chunk(topic, raw), pace)
    objects = ObjectStorage(settings.object_storage) if settings.object_storage else None
    mint_url = f"{settings.blobs_url}urls" if objects else ""
    ways = Ways(("zstd",), mint_url, broadcast.chunk_bytes, settings.artifacts_url)
    checkpoints = Checkpoints(database, load_or_make_audit_key(settings.secrets_dir / "audit.key"))
    lending = Lending(leases, settings.blobs_url, rates, packs.offers, ways)
    service = DeviceService(online, lending, witness=checkpoints.heard)

    broker = _start_broker(settings, shut_out(database, authorities.all, db.utc_now()), pki, parts)
    ingest = Ingest(database, service, lambda acks, waiting: delivery.answer(acks, waiting), ask_chunks=broadcast.ask)
    gateway = Gateway(_gateway_config(settings, broker, pki), ingest, ingest.put_aside)
    delivery = Delivery(database, service, gateway)
    database.on_dirty(delivery.changed)
    rollouts = RolloutService(database, service, online, gateway.publish_halt)
    feedback, sealing = FeedbackService(database, rollouts), Sealing(settings.secrets_dir / "notify.key")
    hooks = Hooks(database, rollouts, feedback, sealing)
    drills = DrillService(database, service)
    leader = Leader(database)
    parts.callback(leader.resign)
    clock = make_clock(settings, database, online, gateway, rollouts, leader, checkpoints)
    watch = Watch(database, db.utc_now)
    builders = Builders(KeyFolder(settings.keys_dir).builders, blobs)
    notify = NotifyService(database, feed, sealing, outside_of(settings))
    sender = Sender(database, notify, leader.leads)
    feed.on_news(sender.wake)
    alarms = KeyAlarms(database, online.expiring)
    alarms.check(db.utc_now())
    clock.every(SWEEP_S, "triggers", lambda: feedback.sweep(db.utc_now()))
    clock.every(DRILLS_S, "drills", lambda: drills.sweep(db.utc_now()))
    clock.every(ALARMS_S, "alarms", lambda: alarms.check(db.utc_now()), everywhere=True)

    def keep_out() -> None:
        broker.shut_out(shut_out(database, authorities.all, db.utc_now()))

    clock.every(RETENTION_S, "feed", feed.forget_old)
    clock.every(RETENTION_S, "notify", lambda: notify.forget_old(db.utc_now()))
    clock.every(RETENTION_S, "hooks", lambda: hooks.forget_old(db.utc_now()))

    def note_audit() -> None:
        checkpoints.make(db.utc_now())
        gateway.publish_trust(replace(online.hint(), audit=checkpoints.newest()))

    clock.every(CHECKPOINT_S, "audit-checkpoint", note_audit)
    clock.every(AGAIN_S, "unsigned", delivery.again, everywhere=True)
    clock.every(CRL_S, "revocation-list", keep_out, everywhere=True)
    clock.every(PACKS_S, "packs", packs.work)
    if objects:
        clock.every(OBJECTS_S, "object-storage", lambda: objects.copy(blobs))
    state = ServerState(
        settings=settings,
        db=database,
        leases=leases,
        tokens=tokens,
        blobs=blobs,
        builders=builders,
        objects=objects,
        online=online,
        devices=service,
        releases=ReleaseService(database, blobs, online),
        rollouts=rollouts,
        enrolment=EnrolmentService(
            authorities.issuing,
            service,
            MqttAddress(settings.public_host, broker.port, broker.protocol),
            trusted=authorities.trusted,
        ),
        feedback=feedback,
        hooks=hooks,
        drills=drills,
        checkpoints=checkpoints,
        oidc=oidc_of(settings),
        downlink=gateway,
        notify=notify,
        streams=streams,
        deny=keep_out,
        problems=lambda: [*_problems(gateway, broker, clock), *alarms.problems(db.utc_now())],
        warnings=lambda: [
            *alarms.warnings(db.utc_now()),
            *checkpoints.warnings(db.utc_now()),
            *builders.problems(),
        ],
        findings=watch.concerns,
        counters=lambda: {
            **_counters(gateway, ingest, delivery, clock),
            **broadcast.counters(),
            "event_streams": len(streams),
            "scheduler_leader": float(leader.leads()),
            "telemetry_samples_total": ingest.samples(),
            "metadata_days_left": alarms.days_left(db.utc_now()),
        },
    )
    for start, end in (
        (delivery.start, delivery.stop),
        (gateway.start, gateway.stop),
        (broadcast.start, broadcast.stop),
        (clock.start, clock.stop),
        (sender.start, sender.stop),
    ):
        start()
        parts.callback(end)
    if artifact_socket:
        outlet = Outlet(
            artifact_socket,
            lambda name: Found(blobs.existing(name), blobs.etag(name)),
            lambda token: leases.check(token, db.utc_now()),
        )
        outlet.start()
        parts.callback(outlet.stop)
    parts.callback(packs.stop)  # first of all: the clock waits for its jobs, and packs take minutes
    _say_halts(rollouts)
    note_audit()
    if not gateway.wait_connected(BROKER_WAIT_S):
        log.warning("broker_not_connected waited_s=%s", BROKER_WAIT_S)
    listeners = Listeners(
        [Listener(create_app(state), api_socket), Listener(create_device_app(state), device_socket, pki)],
        on_stop=streams.close,
    )
    stop.ends(listeners)
    listeners.serve(lambda: on_ready(_ready(settings, broker, password)))


def _artifact_socket(settings: Settings, parts: ExitStack) -> socket.socket | None:
    if not settings.artifact_port:
        return None
    return parts.enter_context(take_port(settings.bind, settings.artifact_port, "artifacts without TLS"))


def _open_database(settings: Settings, parts: ExitStack) -> tuple[Database, str]:
    """The database, and the first user's password where this is the first start."""
    settings.secrets_dir.mkdir(mode=0o700, exist_ok=True)
    database = Database(settings.database)
    parts.callback(database.dispose)
    database.upgrade()
    with database.write() as session:
        partitions.prepare(session, db.utc_now())
        access.ensure_first_token(session, settings.token_file, db.utc_now())
        password = users.ensure_first(session, db.utc_now())
    return database, password


def _start_broker(settings: Settings, out: ShutOut, pki: PkiFiles, parts: ExitStack) -> RunningBroker:
    broker = start_broker(settings.data_dir, settings.bind, settings.mqtt_port, pki, out=out)
    parts.callback(broker.stop)
    return broker


def _say_halts(rollouts: RolloutService) -> None:
    """Tell the fleet what the database says, not what was signed last; where that fails the first tick tries again."""
    try:
        rollouts.sync_halts(db.utc_now(), again=True)
    except OSError as error:
        log.error("halt_list_not_written error=%s", error)


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


def _problems(gateway: Gateway, broker: RunningBroker, clock: Clock) -> list[str]:
    connected = gateway.stats().connected
    return [
        "" if connected else f"The gateway is not connected to the broker ({broker.name} at port {broker.port}).",
        clock.problem(),
    ]


def _counters(
    gateway: Gateway, ingest: Ingest, delivery: Delivery, clock: Clock
) -> Mapping[str, float | Mapping[str, float]]:
    stats = gateway.stats()
    taken = stats.intake
    dropped = {"malformed": taken.dead, "rate_limited": taken.limited, "queue_full": taken.dropped}
    return {
        "broker_connected": float(stats.connected),
        "delivery_waiting": delivery.waiting(),
        "dropped_messages_total": {**dropped, **ingest.dropped()},
        "ingest_queue": taken.queued,
        "job_duration_s": clock.took_s(),
        "messages_handled_total": taken.handled,
        "messages_received_total": taken.received,
    }


def _ready(settings: Settings, broker: RunningBroker, password: str) -> Ready:
    return Ready(
        console_url=f"{settings.api_url}/",
        device_url=settings.device_url,
        broker=broker.name,
        mqtt=f"{settings.public_host}:{broker.port}",
        notice=broker.notice,
        token_file=settings.token_file,
        password=password,
    )
