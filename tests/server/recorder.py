"""A store behind the gateway that tests can look into, and whose moods they set; and devices that sign."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from surefoot_shared import wire
from surefoot_shared.errors import Unreachable
from surefoot_shared.identity import DeviceKey, DevicePublicKey, generate_key, seal
from surefoot_shared.messages import (
    ChunkRequest,
    Event,
    EventKind,
    Events,
    Hello,
    MetadataVersions,
    PresenceMessage,
    Response,
    TelemetryBatch,
)
from surefoot_shared.seals import SealKind

_nonces = itertools.count(1)


def event(device: str, seq: int, message: str = "") -> Event:
    return Event(device, "stream-1", seq, "2026-11-23T08:00:00Z", "boot-1", EventKind.NOTICE, message=message)


def events_payload(key: DeviceKey, *events: Event, kind: SealKind = SealKind.EVENT) -> bytes:
    return wire.encode(Events(tuple(seal(kind, wire.encode(one), key) for one in events)))


def hello(device: str, seq: int = 1) -> Hello:
    return Hello(
        device=device,
        seq=seq,
        nonce=f"nonce-{next(_nonces)}",
        stream="stream-1",
        instance="instance-1",
        boot_id="boot-1",
        at="2026-11-23T08:00:00Z",
        clock_source="ntp",
        agent="0.1.0",
        hw="x86-box",
        components=(),
        image=MetadataVersions(),
        director=MetadataVersions(),
    )


def hello_payload(key: DeviceKey, said: Hello, kind: SealKind = SealKind.HELLO) -> bytes:
    return wire.encode(seal(kind, wire.encode(said), key))


@dataclass
class Recorder:
    """Keeps what was committed, in the order of commits. Implements `inbound.GatewayHandlers`."""

    keys: dict[str, DevicePublicKey] = field(default_factory=dict)
    next_keys: dict[str, DevicePublicKey] = field(default_factory=dict)
    """Of devices that are renewing."""
    signed: list[tuple[str, DevicePublicKey]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    expected: list[tuple[frozenset[str], frozenset[str]]] = field(default_factory=list)
    """Devices of which a message was left out."""
    committed: list[object] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    away: bool = False
    """Raise Unreachable, as a store that is away does."""
    refuses: Callable[[object], bool] = lambda _: False
    """Raise a plain error for such a message, as a bug or a broken constraint does."""
    on_commit: Callable[[list[object]], None] = lambda _: None

    def __post_init__(self) -> None:
        self.changed = threading.Condition()

    def enrol(self, device: str) -> DeviceKey:
        key = generate_key()
        self.keys[device] = key.public_key()
        return key

    def public_keys(self, device_id: str) -> tuple[DevicePublicKey, ...]:
        return tuple(key for key in (self.keys.get(device_id), self.next_keys.get(device_id)) if key is not None)

    @contextmanager
    def batch(self) -> Iterator[Taken]:
        if self.away:
            with self.changed:
                self.batches.append(0)
                self.changed.notify_all()
            raise Unreachable("unreachable", "The store is away.", retry_after_s=0.02)
        taken = Taken(self)
        yield taken
        with self.changed:
            self.committed += taken.values
            self.batches.append(len(taken.values))
            self.changed.notify_all()
        self.on_commit(taken.values)

    def wait(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), f"only this was committed: {self.committed}"

    def seqs(self, device: str) -> list[int]:
        return [e.seq for e in self.committed if isinstance(e, Event) and e.device == device]


@dataclass
class Taken:
    book: Recorder
    values: list[object] = field(default_factory=list)

    def expect(self, device_ids: Collection[str], assignment_ids: Collection[str]) -> None:
        self.book.expected.append((frozenset(device_ids), frozenset(assignment_ids)))

    def cut(self, device_id: str) -> None:
        self.book.cut.append(device_id)

    def signed(self, device_id: str, key: DevicePublicKey) -> None:
        self.book.signed.append((device_id, key))

    def hello(self, hello: Hello) -> None:
        self._take(hello)

    def events(self, device_id: str, events: Sequence[Event]) -> None:
        for one in events:
            assert one.device == device_id
            self._take(one)

    def telemetry(self, device_id: str, batches: Sequence[TelemetryBatch]) -> None:
        for one in batches:
            self._take(one)

    def presence(self, device_id: str, message: PresenceMessage) -> None:
        self._take((device_id, message))

    def response(self, device_id: str, response: Response) -> None:
        self._take((device_id, response))

    def chunks(self, device_id: str, request: ChunkRequest) -> None:
        self._take((device_id, request))

    def _take(self, value: object) -> None:
        if self.book.refuses(value):
            raise RuntimeError("the store does not like this one")
        self.values.append(value)
