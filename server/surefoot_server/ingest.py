"""Store what the gateway hands in: one transaction a batch, and the acks only after its commit.

Promises: everything is idempotent; telemetry and heartbeats of a whole batch are written in a few statements; what is
not believed (unknown device, replayed hello) is dropped and counted by its reason. Implements
`inbound.GatewayHandlers`.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.devices import attention, repository
from surefoot_server.devices.models import Device
from surefoot_server.devices.reports import HelloVerdict
from surefoot_server.devices.service import NEEDS_LEASE, DeviceService
from surefoot_server.intake import DeadLetter
from surefoot_server.telemetry import service as telemetry
from surefoot_shared.errors import Invalid, Unreachable
from surefoot_shared.identity import DevicePublicKey, public_to_pem
from surefoot_shared.messages import Ack, Event, EventKind, Hello, PresenceMessage, Response, TelemetryBatch

log = logging.getLogger(__name__)
RETRY_S = 1.0

Answer = Callable[[Sequence[tuple[str, Ack]], Iterable[str]], None]
"""Called after a commit with the acks to send and the devices that wait for leave to download."""


class Ingest:
    """What the gateway needs of the server; one for the process."""

    def __init__(
        self, database: Database, devices: DeviceService, answer: Answer, clock: Callable[[], datetime] = db.utc_now
    ) -> None:
        self._db, self._devices, self._answer, self._clock = database, devices, answer, clock
        self._keys: dict[str, tuple[DevicePublicKey, ...]] = {}
        self._lock = threading.Lock()
        self._dropped: Counter[str] = Counter()
        database.on_dirty(self.forget_keys)

    def public_keys(self, device_id: str) -> tuple[DevicePublicKey, ...]:
        """The keys of an enrolled device that is not revoked; read once until its row changes."""
        with self._lock:
            if device_id in self._keys:
                return self._keys[device_id]
        with self._db.read() as session:
            device = session.get(Device, device_id)
        if device is None or device.revoked_at is not None:
            self.drop("unknown_device" if device is None else "revoked")
            return ()
        keys = _parse_keys(device)
        if keys:
            with self._lock:
                self._keys[device_id] = keys
        return keys

    def forget_keys(self, device_ids: Iterable[str]) -> None:
        """Devices were enrolled again or revoked: read their keys anew."""
        with self._lock:
            for device_id in device_ids:
                self._keys.pop(device_id, None)

    @contextmanager
    def batch(self) -> Iterator[BatchIngest]:
        """One transaction; acks and leases go out after its commit. Raises Unreachable where the database is away."""
        try:
            with self._db.write() as session:
                taken = BatchIngest(session, self._devices, self._clock())
                yield taken
                taken.finish()
        except OperationalError as error:
            raise Unreachable("unreachable", "The database is away.", retry_after_s=RETRY_S) from error
        for reason, count in taken.dropped.items():
            self.drop(reason, count)
        self._answer(taken.acks, taken.leases)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count messages that were not believed; the reason is a label of /metrics."""
        with self._lock:
            self._dropped[reason] += count

    def put_aside(self, letter: DeadLetter) -> None:
        """Note in the audit trail that a device's topic brought what is not believed, such as a forged event."""
        device_id = letter.topic.split("/")[3] if letter.topic.count("/") >= 3 else ""
        detail = {"topic": letter.topic[:200], "sha256": letter.sha256, "why": letter.error[:200]}
        with self._db.write() as session:
            if session.get(Device, device_id) is not None:
                now = self._clock()
                audit.record_seldom(session, "gateway", "message.refused", f"device:{device_id}", detail, now)

    def dropped(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._dropped)


class BatchIngest:
    """The messages of one transaction; implements `inbound.Ingest`."""

    def __init__(self, session: Session, devices: DeviceService, now: datetime) -> None:
        self._session, self._devices, self._now = session, devices, now
        self._streams: dict[tuple[str, str], None] = {}
        self._seen: dict[str, datetime] = {}
        self.acks: list[tuple[str, Ack]] = []
        self.leases: dict[str, None] = {}
        self.dropped: Counter[str] = Counter()

    def signed(self, device_id: str, key: DevicePublicKey) -> None:
        """A hello came with this key: where it is the renewed one, the old one has done its duty."""
        if self._known(device_id):
            self._devices.take_key(self._session, device_id, public_to_pem(key).decode(), self._now)

    def hello(self, hello: Hello) -> None:
        if not self._known(hello.device):
            return
        verdict = self._devices.hello(self._session, hello, self._now)
        if verdict is HelloVerdict.REPLAYED:
            self.dropped["replayed_hello"] += 1
            log.warning("hello_replayed device=%s seq=%d", hello.device, hello.seq)
            return
        if verdict is HelloVerdict.CONFLICT:
            self.dropped["identity_conflict"] += 1
            log.error("identity_conflict device=%s instance=%s", hello.device, hello.instance)
        self._streams[hello.device, hello.stream] = None

    def events(self, device_id: str, events: Sequence[Event]) -> None:
        if not self._known(device_id):
            return
        streams: dict[str, list[Event]] = {}
        for event in events:
            streams.setdefault(event.stream, []).append(event)
        for stream, numbered in streams.items():
            self._devices.record_events(self._session, device_id, numbered, self._now)
            self._streams[device_id, stream] = None
        if any(e.kind is EventKind.PROGRESS and e.state in NEEDS_LEASE for e in events):
            self.leases[device_id] = None

    def telemetry(self, device_id: str, batches: Sequence[TelemetryBatch]) -> None:
        if not self._known(device_id):
            return
        telemetry.ingest(self._session, device_id, batches, self._now)
        self._seen[device_id] = self._now
        for batch in batches:
            self._streams[device_id, batch.stream] = None

    def presence(self, device_id: str, message: PresenceMessage) -> None:
        if self._known(device_id):
            self._devices.presence(self._session, device_id, message)

    def response(self, device_id: str, response: Response) -> None:
        if self._known(device_id):
            self._devices.response(self._session, device_id, response, self._now)

    def finish(self) -> None:
        """What is done once for the whole batch, inside its transaction."""
        self._session.flush()
        repository.touch(self._session, self._seen)
        if self._seen:
            attention.one_voice(self._session, self._seen, self._now)
        self.acks = [(d, self._devices.ack_for(self._session, d, stream)) for d, stream in self._streams]

    def _known(self, device_id: str) -> bool:
        device = self._session.get(Device, device_id)
        if device is None or device.revoked_at is not None:
            self.dropped["unknown_device" if device is None else "revoked"] += 1
            return False
        return True


def _parse_keys(device: Device) -> tuple[DevicePublicKey, ...]:
    try:
        return repository.keys_of(device)
    except (Invalid, ValueError):
        log.error("device_key_unreadable device=%s", device.id)
        return ()
