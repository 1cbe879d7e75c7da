"""A whole server without its listeners and broker, and messages of devices to feed it with."""

from __future__ import annotations

import copy
import functools
import hashlib
import operator
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event as sa_event
from starlette.types import ASGIApp, Receive, Scope, Send

from surefoot_server.access import service as access
from surefoot_server.access.roles import Role
from surefoot_server.app import create_app, create_device_app
from surefoot_server.audit.checkpoints import Checkpoints
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.models import Assignment, Device
from surefoot_server.devices.service import DeviceService
from surefoot_server.drills.service import DrillService
from surefoot_server.enrolment.service import EnrolmentService
from surefoot_server.events.feed import Feed
from surefoot_server.events.streams import Streams
from surefoot_server.feedback.hooks import Hooks
from surefoot_server.feedback.service import FeedbackService
from surefoot_server.findings.builders import Builders
from surefoot_server.findings.watch import Watch
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.notify.forms import outside_of
from surefoot_server.notify.sealing import Sealing
from surefoot_server.notify.service import NotifyService
from surefoot_server.pki.ca import load_ca
from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.leases import LeaseTokens
from surefoot_server.releases.models import Release
from surefoot_server.releases.service import ReleaseService
from surefoot_server.rollouts.service import RolloutService
from surefoot_server.state import ServerState
from surefoot_shared.enrolment import MqttAddress
from surefoot_shared.identity import generate_key, public_to_pem
from surefoot_shared.messages import (
    Ack,
    ComponentReport,
    Event,
    EventKind,
    Hello,
    Lease,
    MetadataVersions,
    Request,
    RunningProof,
    SlotReport,
    TrustHint,
)
from surefoot_shared.status import AttemptState, Intent, Outcome, SlotName, SlotState

AUDIT_KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


def digest(release: str) -> str:
    return hashlib.sha256(release.encode()).hexdigest()


@dataclass
class Said:
    """The downlink of tests: remembers what would have been published."""

    bundles: list[tuple[str, bytes]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    leases: list[tuple[str, Lease]] = field(default_factory=list)
    acks: list[tuple[str, Ack]] = field(default_factory=list)
    halts: list[bytes] = field(default_factory=list)
    hints: list[TrustHint] = field(default_factory=list)
    requests: list[tuple[str, Request]] = field(default_factory=list)

    def forget(self, device_id: str) -> None:
        self.forgotten.append(device_id)

    def publish_bundle(self, device_id: str, raw: bytes) -> None:
        self.bundles.append((device_id, raw))

    def publish_lease(self, device_id: str, lease: Lease) -> None:
        self.leases.append((device_id, lease))

    def publish_ack(self, device_id: str, ack: Ack) -> None:
        self.acks.append((device_id, ack))

    def publish_halt(self, raw: bytes) -> None:
        self.halts.append(raw)

    def publish_trust(self, hint: TrustHint) -> None:
        self.hints.append(hint)

    def request(self, device_id: str, request: Request) -> None:
        self.requests.append((device_id, request))


@dataclass
class Rig:
    state: ServerState
    said: Said
    dirty: list[str]
    keys: Path

    @property
    def db(self) -> Database:
        return self.state.db

    @property
    def devices(self) -> DeviceService:
        return self.state.devices

    def client(self, role: Role | None = Role.ADMIN) -> TestClient:
        """The operators' API, signed in with a fresh token of the role, or not at all."""
        client = TestClient(serving(self.state), raise_server_exceptions=False)
        if role is not None:
            client.headers["Authorization"] = f"Bearer {self.token(role)}"
        return client

    def device_client(self) -> TestClient:
        return TestClient(serving(self.state, create_device_app), raise_server_exceptions=False)

    def token(self, role: Role) -> str:
        with self.db.write() as session:
            name = f"{role.value}-{len(access.tokens(session))}"
            return access.create_token(session, name, role, "test", datetime.now(timezone.utc))[1]

    def device(self, device_id: str, hw: str = "rpi5", tags: Sequence[str] = ()) -> str:
        with self.db.write() as session:
            pem = public_to_pem(generate_key().public_key()).decode()
            self.devices.register(session, device_id, hw, pem, NOW, attributes={"site": "hanoi"}, tags=tags or None)
        return device_id

    def release(self, release_id: str, hw: Sequence[str] = ("rpi5", "jetson-orin")) -> str:
        component, version = release_id.split("/")
        with self.db.write() as session:
            session.add(
                Release(
                    id=release_id,
                    component=component,
                    version=version,
                    counter=int(version.replace(".", "")),
                    svn=1,
                    hw=list(hw),
                    digest=digest(release_id),
                    manifest_size=100,
                    total_bytes=1000,
                    published_at=NOW,
                    published_by="test",
                )
            )
        return release_id

    def assign(self, device_id: str, release_id: str, intent: Intent = Intent.UPDATE) -> Assignment:
        with self.db.write() as session:
            component = release_id.split("/")[0]
            return self.devices.assign(session, device_id, component, release_id, intent, None, None, NOW)

    def events(self, device_id: str, *events: Event, now: datetime = NOW) -> int:
        with self.db.write() as session:
            return self.devices.record_events(session, device_id, events, now)

    def read(self, assignment: Assignment) -> Assignment:
        with self.db.read() as session:
            found = session.get(Assignment, assignment.id)
        assert found is not None
        return found

    def device_row(self, device_id: str) -> Device:
        with self.db.read() as session:
            found = session.get(Device, device_id)
        assert found is not None
        return found


@functools.lru_cache(maxsize=1)
def migrated() -> bytes:
    """A database as the first start leaves it, made once: migrating anew for every test took most of their time."""
    with tempfile.TemporaryDirectory() as folder:
        made = Database.at(Path(folder) / "surefoot.db")
        made.upgrade()
        made.dispose()
        return (Path(folder) / "surefoot.db").read_bytes()


class _Engines:
    """Engines that serve one test after another, each on a file of its own.

    SQLAlchemy compiles every statement anew for every engine; with one a test that took half of the time of all tests
    of the server. Nothing of a test stays: its connections are closed, its listeners are gone.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[Database, list[str]]] = []

    @contextmanager
    def open(self, path: Path) -> Iterator[Database]:
        lent, place = self._idle.pop() if self._idle else self._make()
        place[:] = [str(path)]
        lent.engine.dispose()  # a thread of the test before may have connected once more, to what is gone by now
        database = copy.copy(lent)
        database.url, database._listeners, database._watchers = f"sqlite:///{path}", [], ()
        database._full_at = None
        yield database
        database.dispose()
        self._idle.append((lent, place))

    def _make(self) -> tuple[Database, list[str]]:
        database, place = Database("sqlite:///lent.db"), list[str]()
        sa_event.listen(database.engine, "do_connect", lambda _d, _r, cargs, _p: operator.setitem(cargs, 0, place[0]))
        return database, place


ENGINES = _Engines()

made_once = functools.cache(lambda make: make(None))


def serving(state: ServerState, make: Callable[[ServerState], FastAPI] = create_app) -> ASGIApp:
    """The application on the state of one test, made once for all of them.

    FastAPI works out the parameters of every route anew for every application; that took a third of the time of all
    tests of the server.
    """
    app: FastAPI = made_once(make)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        app.state.surefoot = state
        await app(scope, receive, send)

    return served


@contextmanager
def make_rig(keys_dir: Path, data_dir: Path) -> Iterator[Rig]:
    data_dir.mkdir()
    settings = Settings(data_dir=data_dir, keys_dir=keys_dir)
    settings.secrets_dir.mkdir(mode=0o700)
    (data_dir / "surefoot.db").write_bytes(migrated())
    with ENGINES.open(data_dir / "surefoot.db") as database:
        yield _rig(settings, database, keys_dir)


@contextmanager
def make_rig_on(url: str, keys_dir: Path, data_dir: Path) -> Iterator[Rig]:
    """The same on a database that is there already."""
    data_dir.mkdir()
    settings = Settings(data_dir=data_dir, keys_dir=keys_dir, database_url=url)
    settings.secrets_dir.mkdir(mode=0o700)
    database = Database(url)
    yield _rig(settings, database, keys_dir)
    database.dispose()


def _rig(settings: Settings, database: Database, keys_dir: Path) -> Rig:
    said, dirty, data_dir = Said(), list[str](), settings.data_dir
    database.on_dirty(dirty.extend)
    keys = install_keys(keys_dir, data_dir)
    online = OnlineRepository(keys.repo_dir, keys.online_dir)
    leases = LeaseTokens(b"k" * 32, 600.0)
    blobs = BlobStore(data_dir / "blobs", settings.blob_limit_bytes)
    checkpoints = Checkpoints(database, AUDIT_KEY)
    devices = DeviceService(online, Lending(leases, settings.blobs_url), witness=checkpoints.heard)
    rollouts = RolloutService(database, devices, online, said.publish_halt)
    feed = Feed(database, settings.events_keep)
    feedback, sealing = FeedbackService(database, rollouts), Sealing(settings.secrets_dir / "notify.key")
    state = ServerState(
        settings=settings,
        db=database,
        leases=leases,
        tokens=LeaseTokens(b"k" * 32, 3600.0, "device"),
        blobs=blobs,
        builders=Builders(data_dir / "builders", blobs),  # the keys folder is that of other tests too
        online=online,
        devices=devices,
        releases=ReleaseService(database, blobs, online),
        rollouts=rollouts,
        feedback=feedback,
        hooks=Hooks(database, rollouts, feedback, sealing),
        drills=DrillService(database, devices),
        checkpoints=checkpoints,
        enrolment=EnrolmentService(load_ca(keys.online_dir), devices, MqttAddress("localhost", 8883, 5)),
        downlink=said,
        notify=NotifyService(database, feed, sealing, outside_of(settings)),
        streams=Streams(feed, settings.event_streams),
        findings=Watch(database, lambda: datetime.now(timezone.utc)).concerns,
    )
    return Rig(state, said, dirty, keys_dir)


def hello(device_id: str, seq: int = 1, *, instance: str = "i1", stream: str = "s1", **more: object) -> Hello:
    fields: dict[str, object] = {
        "device": device_id,
        "seq": seq,
        "nonce": f"{instance}-{seq}",
        "stream": stream,
        "instance": instance,
        "boot_id": "b1",
        "at": NOW.isoformat(),
        "clock_source": "ntp",
        "agent": "0.1.0",
        "hw": "rpi5",
        "components": (),
        "image": MetadataVersions(),
        "director": MetadataVersions(),
    }
    return Hello(**{**fields, **more})  # type: ignore[arg-type]


def runs(release: str | None, *, state: AttemptState = AttemptState.IDLE, **more: object) -> ComponentReport:
    """What a hello says of the component `app`."""
    name = digest(release) if release else None
    slots = {"A": SlotReport(SlotState.GOOD, release, name), "B": SlotReport(SlotState.EMPTY)}
    fields: dict[str, object] = {
        "component": "app",
        "slot": SlotName.A if release else None,
        "release": release,
        "digest": name,
        "slots": slots,
        "state": state,
    }
    return ComponentReport(**{**fields, **more})  # type: ignore[arg-type]


def event(device_id: str, seq: int, kind: EventKind = EventKind.PROGRESS, **more: object) -> Event:
    fields: dict[str, object] = {
        "device": device_id,
        "stream": "s1",
        "seq": seq,
        "at": NOW.isoformat(),
        "boot_id": "b1",
        "kind": kind,
        "component": "app",
    }
    return Event(**{**fields, **more})  # type: ignore[arg-type]


def progress(row: Assignment, seq: int, state: AttemptState, **more: object) -> Event:
    return event(row.device_id, seq, assignment=row.id, state=state, **more)


def outcome(row: Assignment, seq: int, what: Outcome, **more: object) -> Event:
    """An outcome; `committed` comes with the proof that it deserves."""
    if what is Outcome.COMMITTED:
        more.setdefault("proof", proof(row.digest))
    return event(row.device_id, seq, EventKind.OUTCOME, assignment=row.id, outcome=what, **more)


def proof(of: str, *, marked_good: bool = True) -> RunningProof:
    return RunningProof(of, SlotName.B, 42, "/slots/B/bin/app", "/slots/B", marked_good, 10.0)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
