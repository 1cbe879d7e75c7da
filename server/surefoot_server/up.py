"""`surefoot up`: every role of the server in one process, from an empty folder to serving, and down again.

Promises: one server per data folder; what is wrong is said before anything runs; parts start in the order in which
they need each other and stop in reverse, within seconds of SIGTERM or SIGINT; a restart goes on where the last one
was, since everything that matters is in the database. Reads the online keys only, never `offline/`.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from surefoot_server import db
from surefoot_server.access import service as access
from surefoot_server.app import create_app, create_device_app
from surefoot_server.broker.acl import ShutOut
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.clock import Clock
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.delivery import Delivery
from surefoot_server.devices.service import DeviceService
from surefoot_server.enrolment.service import EnrolmentService
from surefoot_server.gateway import Gateway, GatewayConfig
from surefoot_server.ingest import Ingest
from surefoot_server.intake import IntakeLimits
from surefoot_server.keys.alarms import KeyAlarms
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.listeners import Listener, Listeners, take_port
from surefoot_server.pki.ca import load_ca, prepare_pki
from surefoot_server.pki.crl import REFRESH_S as CRL_S
from surefoot_server.pki.files import PkiFiles
from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.leases import LeaseTokens, load_or_make_key
from surefoot_server.releases.service import ReleaseService
from surefoot_server.rollouts.service import RolloutService
from surefoot_server.shutout import shut_out
from surefoot_server.state import ServerState
from surefoot_server.telemetry import repository as telemetry
from surefoot_shared.enrolment import MqttAddress
from surefoot_shared.errors import ConfigError
from surefoot_shared.tokens import TOKEN_VALID_S

log = logging.getLogger(__name__)
REFRESH_S = 60.0
RETENTION_S = 600.0
ALARMS_S = 3600.0
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

    def text(self) -> str:
        """One block for the terminal."""
        lines = [
            "Surefoot is up.",
            f"  Console     {self.console_url}",
            f"  Devices     {self.device_url}",
            f"  Broker      {self.broker} at {self.mqtt}",
            f"  Token file  {self.token_file}",
        ]
        return "\n".join([*lines, f"  Note        {self.notice}"] if self.notice else lines)


class Stop:
    """Asks a running server to end: by `stop.set()` from a test, by signal from everybody else."""

    def __init__(self) -> None:
        self._listeners: Listeners | None = None
        self._asked = threading.Event()
        self.signal: int | None = None

    def set(self) -> None:
        self._asked.set()
        if self._listeners is not None:
            self._listeners.stop()

    def ends(self, listeners: Listeners) -> None:
        self._listeners = listeners
        if self._asked.is_set():
            listeners.stop()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self.set()


def run_up(settings: Settings, on_ready: Callable[[Ready], None], stop: Stop | None = None) -> None:
    """Serve until told to stop. Raises ConfigError before anything serves, KeyboardInterrupt after a clean SIGINT."""
    stop = stop or Stop()
    with ExitStack() as parts:
        if threading.current_thread() is threading.main_thread():
            parts.enter_context(_signals(stop))
        parts.enter_context(_locked(settings.data_dir))
        _serve(settings, on_ready, stop, parts)
    if stop.signal == signal.SIGINT:
        raise KeyboardInterrupt


def _serve(settings: Settings, on_ready: Callable[[Ready], None], stop: Stop, parts: ExitStack) -> None:
    api_socket = parts.enter_context(take_port("127.0.0.1", settings.api_port, "operators' API"))
    device_socket = parts.enter_context(take_port(settings.bind, settings.device_port, "devices' HTTPS"))
    keys = install_keys(settings.keys_dir, settings.data_dir)
    ca = load_ca(keys.online_dir)
    database = _open_database(settings, parts)
    pki = prepare_pki(settings.data_dir / "pki", ca, [settings.public_host])
    online = OnlineRepository(keys.repo_dir, keys.online_dir)
    leases = LeaseTokens(load_or_make_key(settings.secrets_dir / "lease.key"), settings.lease_valid_s)
    tokens = LeaseTokens(load_or_make_key(settings.secrets_dir / "lease.key"), TOKEN_VALID_S, "device")
    blobs = BlobStore(settings.data_dir / "blobs", settings.blob_limit_bytes)
    service = DeviceService(online, leases, settings.blobs_url)

    broker = _start_broker(settings, shut_out(database, [ca], db.utc_now()), pki, parts)
    ingest = Ingest(database, service, lambda acks, waiting: delivery.answer(acks, waiting))
    gateway = Gateway(_gateway_config(settings, broker, pki), ingest, ingest.put_aside)
    delivery = Delivery(database, service, gateway)
    database.on_dirty(delivery.changed)
    rollouts = RolloutService(database, service, online, gateway.publish_halt)
    clock = _make_clock(settings, database, online, gateway, rollouts)
    alarms = KeyAlarms(database, online.expiring)
    alarms.check(db.utc_now())
    clock.every(ALARMS_S, "alarms", lambda: alarms.check(db.utc_now()))

    def keep_out() -> None:
        broker.shut_out(shut_out(database, [ca], db.utc_now()))

    clock.every(CRL_S, "revocation-list", keep_out)
    state = ServerState(
        settings=settings,
        db=database,
        leases=leases,
        tokens=tokens,
        blobs=blobs,
        online=online,
        devices=service,
        releases=ReleaseService(database, blobs, online),
        rollouts=rollouts,
        enrolment=EnrolmentService(ca, service, MqttAddress(settings.public_host, broker.port, broker.protocol)),
        downlink=gateway,
        deny=keep_out,
        problems=lambda: [*_problems(gateway, broker, clock), *alarms.problems(db.utc_now())],
        warnings=lambda: alarms.warnings(db.utc_now()),
        counters=lambda: {
            **_counters(gateway, ingest, delivery, clock),
            "metadata_days_left": alarms.days_left(db.utc_now()),
        },
    )
    for start, end in (
        (delivery.start, delivery.stop),
        (gateway.start, gateway.stop),
        (clock.start, clock.stop),
    ):
        start()
        parts.callback(end)
    gateway.publish_halt(online.halt_list())
    gateway.publish_trust(online.hint())
    if not gateway.wait_connected(BROKER_WAIT_S):
        log.warning("broker_not_connected waited_s=%s", BROKER_WAIT_S)
    listeners = Listeners(
        [Listener(create_app(state), api_socket), Listener(create_device_app(state), device_socket, pki)]
    )
    stop.ends(listeners)
    listeners.serve(lambda: on_ready(_ready(settings, broker)))


def _open_database(settings: Settings, parts: ExitStack) -> Database:
    settings.secrets_dir.mkdir(mode=0o700, exist_ok=True)
    database = Database(settings.database)
    parts.callback(database.dispose)
    database.upgrade()
    with database.write() as session:
        access.ensure_first_token(session, settings.token_file, db.utc_now())
    return database


def _start_broker(settings: Settings, out: ShutOut, pki: PkiFiles, parts: ExitStack) -> RunningBroker:
    broker = start_broker(settings.data_dir, settings.bind, settings.mqtt_port, pki, out=out)
    parts.callback(broker.stop)
    return broker


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


def _make_clock(
    settings: Settings, database: Database, online: OnlineRepository, gateway: Gateway, rollouts: RolloutService
) -> Clock:
    def tick() -> None:
        rollouts.tick(db.utc_now(), reachable=gateway.stats().connected)

    def refresh() -> None:
        if online.refresh(db.utc_now()):
            gateway.publish_halt(online.halt_list())
            gateway.publish_trust(online.hint())

    def retire() -> None:
        before = db.utc_now() - timedelta(hours=settings.telemetry_keep_h)
        gone = telemetry.DELETE_ROWS
        while gone >= telemetry.DELETE_ROWS:
            with database.write() as session:
                gone = telemetry.delete_older(session, before)

    clock = Clock()
    clock.every(settings.tick_s, "tick", tick)
    clock.every(REFRESH_S, "refresh", refresh)
    clock.every(RETENTION_S, "retention", retire)
    return clock


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


def _ready(settings: Settings, broker: RunningBroker) -> Ready:
    return Ready(
        console_url=f"{settings.api_url}/",
        device_url=settings.device_url,
        broker=broker.name,
        mqtt=f"{settings.public_host}:{broker.port}",
        notice=broker.notice,
        token_file=settings.token_file,
    )


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; raises ConfigError(already_running) where another server has it."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data_dir / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError("config_invalid", f"{data_dir} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigError(
            "already_running", f"Another server runs on {data_dir}.", "Stop it first, or give this one its own --data."
        ) from error
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    old = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
