"""What devices say, parsed once at the border: a topic and bytes become a frozen value, or Invalid says why not.

Promises: a hello or event that comes out of here was signed with the key of the device that owns the topic, and every
value names that device. Refuses everything else, whatever the broker let through. Pure: the key lookup is an argument.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from surefoot_server import newer
from surefoot_server.telemetry.fast_wire import read_batch
from surefoot_shared import topics, wire
from surefoot_shared.errors import Invalid
from surefoot_shared.identity import DevicePublicKey, open_sealed
from surefoot_shared.messages import (
    ChunkRequest,
    Event,
    Events,
    Hello,
    PresenceMessage,
    Response,
    Sealed,
    TelemetryBatch,
)
from surefoot_shared.seals import SealKind

EVENTS_LIMIT = 50
"""Events in one message; the agent sends at most 20."""

T = TypeVar("T")
PublicKeysOf = Callable[[str], Sequence[DevicePublicKey]]


class Ingest(Protocol):
    """Where parsed messages go, within one transaction. Every method is idempotent: messages arrive twice."""

    def expect(self, device_ids: Collection[str], assignment_ids: Collection[str]) -> None:
        """What follows is about these: a chance to read them together."""

    def cut(self, device_id: str) -> None: ...
    def signed(self, device_id: str, key: DevicePublicKey) -> None: ...
    def hello(self, hello: Hello) -> None: ...
    def events(self, device_id: str, events: Sequence[Event]) -> None: ...
    def telemetry(self, device_id: str, batches: Sequence[TelemetryBatch]) -> None: ...
    def presence(self, device_id: str, message: PresenceMessage) -> None: ...
    def response(self, device_id: str, response: Response) -> None: ...
    def chunks(self, device_id: str, request: ChunkRequest) -> None: ...


class GatewayHandlers(Protocol):
    """What the gateway needs of the server."""

    def public_keys(self, device_id: str) -> Sequence[DevicePublicKey]:
        """The keys of an enrolled device that is not revoked: one, or during a renewal two; else none.

        Called for every signed message: cache it.
        """

    def batch(self) -> AbstractContextManager[Ingest]:
        """Open one transaction; leaving it without an error means that all of it is stored for good.

        Only then is it acknowledged to the broker. Raise Unreachable where the store is away: the batch is tried again.
        """


@dataclass(frozen=True, slots=True)
class Telegram:
    """One message as it came from the broker. `session` tells connections apart: an ack belongs to its own only."""

    topic: str
    payload: bytes
    mid: int = 0
    qos: int = 0
    session: int = 0


Said = Hello | tuple[Event, ...] | TelemetryBatch | PresenceMessage | Response | ChunkRequest


@dataclass(frozen=True, slots=True)
class Inbound:
    """A parsed and proved message of `device`."""

    device: str
    said: Said
    signed_by: DevicePublicKey | None = field(default=None, compare=False)
    """The key of a hello."""


def read(telegram: Telegram, public_keys_of: PublicKeysOf) -> Inbound:
    """Parse and verify one message; raises Invalid."""
    device, what = topics.parse_up(telegram.topic)
    match what:
        case "hello":
            return Inbound(device, *_hello(device, telegram.payload, public_keys_of))
        case "events":
            return Inbound(device, _events(device, telegram.payload, public_keys_of))
        case "telemetry":
            batch = read_batch(telegram.payload)
            return Inbound(device, _owned(batch, batch.device, device))
        case "presence":
            return Inbound(device, wire.decode(PresenceMessage, telegram.payload))
        case "chunks":
            request = wire.decode(ChunkRequest, telegram.payload)
            return Inbound(device, _owned(request, request.device, device))
        case _:
            return Inbound(device, wire.decode(Response, telegram.payload))


def hand_in(messages: Iterable[Inbound], ingest: Ingest) -> None:
    """Hand messages in, device by device in their order; neighbours of one kind go as one call."""
    by_device: dict[str, list[Inbound]] = {}
    for message in messages:
        by_device.setdefault(message.device, []).append(message)
    told = [event.assignment for said in by_device.values() for message in said for event in _events_of(message)]
    talkers = {name for name, said in by_device.items() if any(not isinstance(m.said, TelemetryBatch) for m in said)}
    ingest.expect(talkers, {name for name in told if name is not None})
    for device, said in by_device.items():
        _hand_in_device(device, said, ingest)


def _events_of(message: Inbound) -> tuple[Event, ...]:
    return message.said if isinstance(message.said, tuple) else ()


def _hand_in_device(device: str, messages: Sequence[Inbound], ingest: Ingest) -> None:
    events: list[Event] = []
    batches: list[TelemetryBatch] = []

    def flush() -> None:
        if events:
            ingest.events(device, tuple(events))
        if batches:
            ingest.telemetry(device, tuple(batches))
        events.clear()
        batches.clear()

    for message in messages:
        match value := message.said:
            case tuple():
                events.extend(value)
            case TelemetryBatch():
                batches.append(value)
            case Hello():
                flush()  # events belong to the boot and instance of the hello before them
                if message.signed_by is not None:
                    ingest.signed(device, message.signed_by)
                ingest.hello(value)
            case PresenceMessage():
                ingest.presence(device, value)
            case Response():
                ingest.response(device, value)
            case ChunkRequest():
                ingest.chunks(device, value)
    flush()


def _hello(device: str, payload: bytes, public_keys_of: PublicKeysOf) -> tuple[Hello, DevicePublicKey]:
    raw, key = _open(SealKind.HELLO, wire.decode(Sealed, payload), _keys(device, public_keys_of))
    hello = newer.read_hello(raw)
    return _owned(hello, hello.device, device), key


def _events(device: str, payload: bytes, public_keys_of: PublicKeysOf) -> tuple[Event, ...]:
    sealed = wire.decode(Events, payload).events
    if len(sealed) > EVENTS_LIMIT:
        raise Invalid("malformed", f"The message holds {len(sealed)} events; {EVENTS_LIMIT} are allowed.")
    keys = _keys(device, public_keys_of)
    events = [newer.read_event(_open(SealKind.EVENT, one, keys)[0]) for one in sealed]
    return tuple(_owned(event, event.device, device) for event in events)


def _keys(device: str, public_keys_of: PublicKeysOf) -> Sequence[DevicePublicKey]:
    keys = public_keys_of(device)
    if not keys:
        raise Invalid("not_enrolled", f"{device} is not enrolled here.")
    return keys


def _open(kind: SealKind, sealed: Sealed, keys: Sequence[DevicePublicKey]) -> tuple[bytes, DevicePublicKey]:
    """The payload and the key that it is signed with; during a renewal both keys speak for the device."""
    for key in keys[:-1]:
        with contextlib.suppress(Invalid):
            return open_sealed(kind, sealed, key), key
    return open_sealed(kind, sealed, keys[-1]), keys[-1]


def _owned(value: T, said: str, device: str) -> T:
    if said != device:
        raise Invalid("malformed", f"A message of {said[:64]!r} came on the topic of {device}.")
    return value
