"""Store what the gateway hands in: one transaction a batch, and the acks only after its commit.

Promises: everything is idempotent; telemetry and heartbeats of a whole batch are written in a few statements; what is
not believed (unknown device, replayed hello) is dropped and counted by its reason. Implements
`inbound.GatewayHandlers`.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.devices import ahead, attention, letters, repository
from surefoot_server.devices.lending import NEEDS_LEASE
from surefoot_server.devices.letters import Refused
from surefoot_server.devices.models import Device
from surefoot_server.devices.reports import HelloVerdict
from surefoot_server.devices.service import DeviceService
from surefoot_server.intake import DeadLetter
from surefoot_server.telemetry import series
from surefoot_server.telemetry import service as telemetry
from surefoot_shared.errors import Invalid, Unreachable
from surefoot_shared.identity import DevicePublicKey, public_to_pem
from surefoot_shared.messages import (
    Ack,
    ChunkRequest,
    Event,
    EventKind,
    Hello,
    PresenceMessage,
    Response,
    TelemetryBatch,
)

log = logging.getLogger(__name__)
RETRY_S = 1.0

Answer = Callable[[Sequence[tuple[str, Ack]], Iterable[str]], None]
"""Called after a commit with the acks to send and the devices that wait for leave to download."""
AskChunks = Callable[[ChunkRequest], None]
"""Called after a commit with what an enrolled device wants broadcast."""


def _nobody_broadcasts(_request: ChunkRequest) -> None:
    """No lease offers chunks then, so a request is a device's mistake and costs it time only."""


class Ingest:
    """What the gateway needs of the server; one for the process."""

    def __init__(
        self,
        database: Database,
        devices: DeviceService,
        answer: Answer,
        clock: Callable[[], datetime] = db.utc_now,
        ask_chunks: AskChunks = _nobody_broadcasts,
    ) -> None:
        self._db, self._devices, self._answer, self._clock = database, devices, answer, clock
        self._ask_chunks = ask_chunks
        self._keys: dict[str, tuple[DevicePublicKey, ...]] = {}
        self._lock = threading.Lock()
        self._dropped: Counter[str] = Counter()
        self._enrolled: set[str] = set()
        self._series = series.Cache()
        self._samples = 0
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
                self._enrolled.discard(device_id)

    @contextmanager
    def batch(self) -> Iterator[BatchIngest]:
        """One transaction; acks and leases go out after its commit. Raises Unreachable where the database is away."""
        try:
            with self._db.write() as session:
                taken = BatchIngest(session, self._devices, self._clock(), self._series, self._enrolled)
                yield taken
                taken.finish()
        except OperationalError as error:
            raise Unreachable("unreachable", "The database is away.", retry_after_s=RETRY_S) from error
        self._series.keep()
        self._samples += taken.samples
        for reason, count in taken.dropped.items():
            self.drop(reason, count)
        self._answer(taken.acks, taken.leases)
        for request in taken.chunk_requests:
            self._ask_chunks(request)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count messages that were not believed; the reason is a label of /metrics."""
        with self._lock:
            self._dropped[reason] += count

    def put_aside(self, letter: DeadLetter) -> None:
        """Keep what is not believed, such as a forged event, and note it in the audit trail."""
        device_id = letter.topic.split("/")[3] if letter.topic.count("/") >= 3 else ""
        detail = {"topic": letter.topic[:200], "sha256": letter.sha256, "why": letter.error[:200]}
        refused, now = Refused(device_id, letter.topic, letter.sha256, letter.excerpt, letter.error), self._clock()
        try:
            with self._db.write() as session:
                letters.keep(session, refused, now)
                if session.get(Device, device_id) is not None:
                    audit.record_seldom(session, "gateway", "message.refused", f"device:{device_id}", detail, now)
        except OperationalError as error:  # what is believed waits for the database; this is only counted
            log.warning("dead_letter_lost topic=%s error=%s", letter.topic, error)

    def samples(self) -> int:
        """Samples stored since the start."""
        return self._samples

    def forget_series(self) -> None:
        """Series were removed: look all of them up again. Called by the job that removed them."""
        self._series = series.Cache()

    def dropped(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._dropped)


class BatchIngest:
    """The messages of one transaction; implements `inbound.Ingest`."""

    def __init__(
        self, session: Session, devices: DeviceService, now: datetime, cache: series.Cache, enrolled: set[str]
    ) -> None:
        self._session, self._devices, self._now, self._series = session, devices, now, cache
        self._enrolled = enrolled
        self._measured: dict[str, list[TelemetryBatch]] = {}
        self._cut: dict[str, None] = {}
        self.samples = 0
        self._streams: dict[tuple[str, str], None] = {}
        self._seen: dict[str, None] = {}
        self.acks: list[tuple[str, Ack]] = []
        self.leases: dict[str, None] = {}
        self.chunk_requests: list[ChunkRequest] = []
        self.dropped: Counter[str] = Counter()

    def expect(self, device_ids: Collection[str], assignment_ids: Collection[str]) -> None:
        """Telemetry alone needs no row of a device, so those that only measure are not among them."""
        if device_ids:
            ahead.devices(self._session, device_ids)
            ahead.numbers(self._session, device_ids)
            ahead.wishes(self._session, device_ids)
            ahead.assignments(self._session, assignment_ids)

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
        if device_id in self._cut:
            repository.expect_more(self._session, [device_id])
        for stream, numbered in streams.items():
            self._devices.record_events(self._session, device_id, numbered, self._now)
            self._streams[device_id, stream] = None
        if any(e.kind is EventKind.PROGRESS and e.state in NEEDS_LEASE for e in events):
            self.leases[device_id] = None

    def telemetry(self, device_id: str, batches: Sequence[TelemetryBatch]) -> None:
        if device_id not in self._enrolled:  # asked once until its row changes: telemetry is most of what devices say
            if not self._known(device_id):
                return
            self._enrolled.add(device_id)
        self._measured.setdefault(device_id, []).extend(batches)
        self._seen[device_id] = None

    def cut(self, device_id: str) -> None:
        """A message of this device was left out because it talks too fast: its later ones must not hide that."""
        if self._known(device_id):
            self._cut[device_id] = None

    def presence(self, device_id: str, message: PresenceMessage) -> None:
        if self._known(device_id):
            self._devices.presence(self._session, device_id, message)

    def response(self, device_id: str, response: Response) -> None:
        if self._known(device_id):
            self._devices.response(self._session, device_id, response, self._now)

    def chunks(self, device_id: str, request: ChunkRequest) -> None:
        if self._known(device_id):
            self.chunk_requests.append(request)

    def finish(self) -> None:
        """What is done once for the whole batch, inside its transaction."""
        self._session.flush()
        repository.expect_more(self._session, self._cut)
        repository.touch(self._session, self._seen, self._now)
        if self._seen:
            attention.one_voice(self._session, self._seen, self._now)
        stored = telemetry.store(self._session, self._measured, self._now, self._series, self._cut)
        self.samples = stored.samples
        if stored.left_out:
            self.dropped["too_many_series"] += stored.left_out
        for device_id, stream in self._streams.keys() - stored.acks.keys():
            stored.acks[device_id, stream] = self._devices.ack_for(self._session, device_id, stream)
        self.acks = [(device_id, ack) for (device_id, _), ack in stored.acks.items()]

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
