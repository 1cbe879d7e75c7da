"""Rows a second from the broker into the database, stored for good and acknowledged, beside two that only receive.

Promises: broker, gateway, intake and database are the real ones; TLS and a certificate a device. The broker first gets
all messages while the server is away, as after an outage, so publishing costs no one; then each in turn drains the same
number of them, and the best of ROUNDS counts for everybody. Rows are counted in the database afterwards: what is
missing is the figure "rows lost", and another run is slow on purpose. A message holds one sample of some 300 bytes on
the wire, the worst case; agents send twenty in one.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import func
from sqlmodel import select

from surefoot_agent.enrol import certificate_request
from surefoot_server import db, partitions
from surefoot_server.broker.start import start_broker
from surefoot_server.db import Database
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.models import Device
from surefoot_server.devices.service import DeviceService
from surefoot_server.gateway import UPLINK, Gateway, GatewayConfig
from surefoot_server.ingest import Ingest
from surefoot_server.intake import IntakeLimits
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_server.releases.leases import LeaseTokens
from surefoot_server.telemetry.models import TelemetrySample
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed
from surefoot_shared.identity import generate_key, key_to_pem, public_to_pem
from surefoot_shared.messages import Ack, Sample, TelemetryBatch
from surefoot_shared.status import SlotName
from surefoot_simulators.bench import ingest_copy, ingest_peers
from surefoot_simulators.bench.figures import Better, Figure, Peer
from surefoot_simulators.bench.postgresql import cluster
from surefoot_simulators.fleet.swarm import Identities, Swarm

DEVICES = 200
MESSAGES = 100
"""Of each device in a round: below the burst that the intake allows a device."""
ROUNDS = 3
DIGEST = "a" * 64
SERVICE = "svc-server"
LIMIT_S = 120.0
GOAL_PAHO, GOAL_RAW, GOAL_COPY = 1.0, 0.4, 0.12


@dataclass(frozen=True)
class Drained:
    """One run: seconds, and rows that are missing in the database afterwards (None: nothing is stored)."""

    took_s: float
    lost: int | None = None


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise InstallFailed where rows are lost, Unreachable where PostgreSQL is missing."""
    count = DEVICES * MESSAGES
    with contextlib.ExitStack() as parts:
        site = Site(work, parts)
        url = parts.enter_context(cluster(("shared_buffers=256MB",)))
        stores = {
            "SQLite": site.database("sqlite", f"sqlite:///{work}/ingest.db"),
            "PostgreSQL": site.database("pg", url),
        }
        seconds: dict[str, list[float]] = {}
        lost = 0
        runners: dict[str, Callable[[], Drained]] = {"raw": site.raw, "paho": site.paho}
        runners |= {name: partial(site.gateway, database) for name, database in stores.items()}
        for number in range(ROUNDS):
            for name, drain in runners.items():
                site.fill(MESSAGES)
                drained = drain()
                seconds.setdefault(name, []).append(drained.took_s)
                lost += drained.lost or 0
                say(f"round {number + 1}: {name} {count / drained.took_s:,.0f} messages/s")
        site.fill(MESSAGES)
        slow = site.gateway(stores["SQLite"], pause_s=0.3)
        lost += slow.lost or 0
        say(f"slow on purpose: {count / slow.took_s:,.0f} rows/s, {slow.lost} lost")
        rates = ingest_copy.measure(stores["PostgreSQL"], say)
    best = {name: count / min(each) for name, each in seconds.items()}
    return figures(best, lost, rates)


def figures(best: dict[str, float], lost: int, rates: ingest_copy.Rates) -> list[Figure]:
    higher = {"better": Better.HIGHER}
    found = []
    for store in ("SQLite", "PostgreSQL"):
        rate = best[store]
        note = f"{rate:,.0f} rows/s, committed durably and acknowledged; one sample a message, {DEVICES} devices"
        peers = (Peer("paho loop_start, messages/s", best["paho"]), Peer("raw reader, messages/s", best["raw"]))
        found.append(
            Figure(
                f"ingest into {store} against paho loop_start",
                rate / best["paho"],
                "×",
                GOAL_PAHO,
                peers=peers,
                note=note,
                **higher,
            )
        )
        found.append(
            Figure(
                f"ingest into {store} against a raw reader",
                rate / best["raw"],
                "×",
                GOAL_RAW,
                peers=peers[1:],
                **higher,
            )
        )
    found.append(Figure("rows lost, a slow consumer among the runs", float(lost), "rows", 0.0))
    peers = (Peer("COPY, the same key, rows/s", rates.copy), Peer("COPY without index, rows/s", rates.bare))
    note = f"{rates.writer:,.0f} rows/s through the whole writer: series, newest values, streams, index, partitions, "
    note += f"commit; {rates.writer / rates.bare:.3f} of a COPY into a bare table"
    name, ratio = "telemetry writer against server-side COPY into a table like its own", rates.writer / rates.copy
    found.append(Figure(name, ratio, "×", GOAL_COPY, peers=peers, note=note, **higher))
    return found


class Site:
    """A broker, devices that publish, and the server's place in it, which each runner takes in turn."""

    def __init__(self, folder: Path, parts: contextlib.ExitStack) -> None:
        ca = create_ca(folder / "ca")
        self._pki = prepare_pki(folder / "pki", ca, ["127.0.0.1"])
        self._broker = start_broker(folder, "127.0.0.1", 0, self._pki, prefer="mosquitto")
        parts.callback(self._broker.stop)
        self._key = generate_key()
        self._names = [f"cam-{n:04}" for n in range(DEVICES)]
        identities = Identities(
            folder / "devices",
            self._pki.ca,
            key_to_pem(self._key),
            lambda n: ca.issue_device(certificate_request(n, self._key), n),
        )
        self._swarm = Swarm("127.0.0.1", self._broker.port, identities.context)
        parts.callback(self._swarm.close)
        self._swarm.connect(self._names)
        self._numbers = 0
        self._at = db.utc_now() - timedelta(hours=1)
        ingest_peers.prepare("127.0.0.1", self._broker.port, SERVICE, self._context(), UPLINK)

    def fill(self, messages: int) -> None:
        """Every device publishes; the broker keeps all of it for the server, and nothing from before."""
        ingest_peers.clear("127.0.0.1", self._broker.port, SERVICE, self._context())
        for _ in range(messages):
            self._numbers += 1
            at = (self._at + timedelta(milliseconds=10 * self._numbers)).isoformat(timespec="milliseconds")
            for name in self._names:
                sample = Sample(at, "camera_fps", 25.0 + self._numbers % 7, "app", DIGEST, SlotName.A)
                payload = wire.encode(TelemetryBatch(name, "bench", self._numbers, 0, (sample,)))
                self._swarm.publish(name, f"surefoot/v1/d/{name}/up/telemetry", payload)
            self._swarm.step(0)
        if not self._swarm.run(self._swarm.settled, LIMIT_S):
            raise InstallFailed("busy", "The broker did not take every message.")

    def paho(self) -> Drained:
        return Drained(ingest_peers.paho("127.0.0.1", self._broker.port, SERVICE, self._context(), self._count))

    def raw(self) -> Drained:
        return Drained(ingest_peers.raw("127.0.0.1", self._broker.port, SERVICE, self._context(), self._count))

    def gateway(self, database: Database, pause_s: float = 0.0) -> Drained:
        """Drain through the server's own parts; `pause_s` holds up each transaction, as a slow disk does."""
        before, acked = _rows(database), dict[str, int]()
        service = DeviceService(_NoDirector(), Lending(LeaseTokens(b"k" * 32, 60.0), ""))
        gateway: Gateway
        done = threading.Event()

        def answer(acks: Sequence[tuple[str, Ack]], _leases: object) -> None:
            for device, ack in acks:
                gateway.publish_ack(device, ack)
                acked[device] = ack.batch
            if len(acked) == DEVICES and min(acked.values()) == self._numbers:
                done.set()
            time.sleep(pause_s)

        ingest = Ingest(database, service, answer)
        config = GatewayConfig(
            "127.0.0.1",
            self._broker.port,
            5,
            self._pki.ca,
            self._pki.service_cert,
            self._pki.service_key,
            limits=IntakeLimits(queue=10_000),
        )
        gateway = Gateway(config, ingest)
        began = time.perf_counter()
        gateway.start()
        try:
            if not done.wait(LIMIT_S):
                raise InstallFailed("busy", f"Not everything was stored: {gateway.stats().intake}.")
            took_s = time.perf_counter() - began
        finally:
            gateway.stop()
        return Drained(took_s, self._count - (_rows(database) - before))

    def database(self, name: str, url: str) -> Database:
        database = Database(url)
        database.upgrade()
        pem = public_to_pem(self._key.public_key()).decode()
        with database.write() as session:
            partitions.prepare(session, db.utc_now())
            for device in self._names:
                session.add(Device(id=device, hw="x86-box", public_key=pem, enrolled_at=db.utc_now()))
        return database

    @property
    def _count(self) -> int:
        return DEVICES * MESSAGES

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self._pki.ca)
        context.load_cert_chain(self._pki.service_cert, self._pki.service_key)
        return context


class _NoDirector:
    """Telemetry asks for no wish."""

    def next_seq(self) -> int:
        raise AssertionError

    def halted(self) -> Sequence[str]:
        raise AssertionError

    def bundle(self, *_args: object, **_more: object) -> bytes:
        raise AssertionError


def _rows(database: Database) -> int:
    with database.read() as session:
        return session.exec(select(func.count()).select_from(TelemetrySample)).one()
