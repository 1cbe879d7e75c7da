"""What a device cannot make the server believe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from surefoot_server.inbound import EVENTS_LIMIT, Inbound, Telegram, hand_in, read
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.identity import generate_key
from surefoot_shared.messages import ChunkRequest, Event, Hello, PresenceMessage, Response, Sample, TelemetryBatch
from surefoot_shared.seals import SealKind
from surefoot_shared.status import Presence
from tests.server.recorder import Recorder, event, events_payload, hello, hello_payload


def topic(device: str, what: str) -> str:
    return f"surefoot/v1/d/{device}/up/{what}"


def batch_of(device: str, number: int = 1) -> TelemetryBatch:
    sample = Sample("2026-11-23T08:00:00Z", "camera_fps", 25.0)
    return TelemetryBatch(device, "stream-1", number, 0, (sample,))


@pytest.fixture
def book() -> Recorder:
    return Recorder()


def test_a_genuine_hello_is_read(book: Recorder) -> None:
    key, said = book.enrol("cam-1"), hello("cam-1")

    message = read(Telegram(topic("cam-1", "hello"), hello_payload(key, said)), book.public_keys)

    assert message == Inbound("cam-1", said)


def test_genuine_events_are_read_in_their_order(book: Recorder) -> None:
    key = book.enrol("cam-1")
    payload = events_payload(key, event("cam-1", 1), event("cam-1", 2))

    message = read(Telegram(topic("cam-1", "events"), payload), book.public_keys)

    assert message.said == (event("cam-1", 1), event("cam-1", 2))


def test_telemetry_presence_and_responses_are_read_without_a_seal(book: Recorder) -> None:
    batch, presence = batch_of("cam-1"), PresenceMessage(Presence.ONLINE, "instance-1")
    response = Response("r1", True, "text")

    for what, value in (("telemetry", batch), ("presence", presence), ("response", response)):
        assert read(Telegram(topic("cam-1", what), wire.encode(value)), book.public_keys).said == value


def test_an_event_signed_with_another_key_is_refused(book: Recorder) -> None:
    book.enrol("cam-1")
    forged = events_payload(generate_key(), event("cam-1", 1))

    with pytest.raises(Invalid, match="not signed with this device's key"):
        read(Telegram(topic("cam-1", "events"), forged), book.public_keys)


def test_one_forged_event_among_genuine_ones_refuses_them_all(book: Recorder) -> None:
    key = book.enrol("cam-1")
    good = wire.parse(events_payload(key, event("cam-1", 1)))
    bad = wire.parse(events_payload(generate_key(), event("cam-1", 2)))
    mixed = wire.encode({"events": [*good["events"], *bad["events"]], "v": 1})  # type: ignore[misc]

    with pytest.raises(Invalid, match="not signed"):
        read(Telegram(topic("cam-1", "events"), mixed), book.public_keys)


def test_a_signature_made_for_an_event_does_not_pass_as_a_hello(book: Recorder) -> None:
    key = book.enrol("cam-1")
    payload = hello_payload(key, hello("cam-1"), kind=SealKind.EVENT)

    with pytest.raises(Invalid, match="hello is not signed"):
        read(Telegram(topic("cam-1", "hello"), payload), book.public_keys)


@pytest.mark.parametrize("what", ["hello", "events"])
def test_what_a_device_signed_for_itself_is_refused_on_anothers_topic(book: Recorder, what: str) -> None:
    key = book.enrol("cam-1")
    book.keys["cam-2"] = key.public_key()  # even with one key for both
    payload = {"hello": hello_payload(key, hello("cam-1")), "events": events_payload(key, event("cam-1", 1))}[what]

    with pytest.raises(Invalid, match="on the topic of cam-2"):
        read(Telegram(topic("cam-2", what), payload), book.public_keys)


def test_telemetry_of_another_device_is_refused(book: Recorder) -> None:
    with pytest.raises(Invalid, match="on the topic of cam-2"):
        read(Telegram(topic("cam-2", "telemetry"), wire.encode(batch_of("cam-1"))), book.public_keys)


def test_an_unknown_device_is_refused_as_not_enrolled(book: Recorder) -> None:
    with pytest.raises(Invalid) as caught:
        read(Telegram(topic("ghost", "hello"), hello_payload(generate_key(), hello("ghost"))), book.public_keys)

    assert caught.value.kind == "not_enrolled"


def test_more_events_than_a_message_may_hold_are_refused_before_any_signature_is_checked(book: Recorder) -> None:
    key = book.enrol("cam-1")
    payload = events_payload(key, *(event("cam-1", n) for n in range(EVENTS_LIMIT + 1)))

    with pytest.raises(Invalid, match="51 events"):
        read(Telegram(topic("cam-1", "events"), payload), lambda _: pytest.fail("a key was looked up"))


@pytest.mark.parametrize(
    "bad",
    [
        "surefoot/v1/d/cam-1/up/unknown",
        "surefoot/v1/d/cam-1/down/hello",
        "surefoot/v2/d/cam-1/up/hello",
        "surefoot/v1/d/svc-server/up/hello",
        "surefoot/v1/d/../up/hello",
        "surefoot/v1/d/cam-1/up/hello/more",
        "",
    ],
)
def test_a_topic_that_no_device_writes_is_refused(book: Recorder, bad: str) -> None:
    with pytest.raises(Invalid):
        read(Telegram(bad, b"{}"), book.public_keys)


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"[]", b"{", b"null", b'{"v":1}', b"[" * 100_000, b'{"v":2}'])
@pytest.mark.parametrize("what", ["hello", "events", "telemetry", "presence", "response"])
def test_bytes_that_are_no_message_are_refused_and_nothing_worse(book: Recorder, what: str, payload: bytes) -> None:
    book.enrol("cam-1")

    with pytest.raises(Invalid):
        read(Telegram(topic("cam-1", what), payload), book.public_keys)


def test_neighbours_of_one_device_go_in_as_one_call_and_hello_stays_before_its_events(book: Recorder) -> None:
    calls: list[tuple[str, object]] = []

    class Calls:
        def expect(self, device_ids: Collection[str], assignment_ids: Collection[str]) -> None:
            calls.append(("expected", (sorted(device_ids), sorted(assignment_ids))))

        def hello(self, hello: Hello) -> None:
            calls.append(("hello", hello.seq))

        def events(self, device_id: str, events: tuple[Event, ...]) -> None:
            calls.append((f"events of {device_id}", [e.seq for e in events]))

        def telemetry(self, device_id: str, batches: tuple[TelemetryBatch, ...]) -> None:
            calls.append((f"telemetry of {device_id}", [b.batch for b in batches]))

        def presence(self, device_id: str, message: PresenceMessage) -> None:
            calls.append((f"presence of {device_id}", message.state.value))

        def response(self, device_id: str, response: Response) -> None:
            calls.append((f"response of {device_id}", response.id))

        def chunks(self, device_id: str, request: ChunkRequest) -> None:
            calls.append((f"chunks for {device_id}", request.missing))

    messages = [
        Inbound("a", (event("a", 1),)),
        Inbound("b", (replace(event("b", 7), assignment="order"),)),
        Inbound("a", batch_of("a", 1)),
        Inbound("a", (event("a", 2), event("a", 3))),
        Inbound("a", batch_of("a", 2)),
        Inbound("a", hello("a", 5)),
        Inbound("a", (event("a", 4),)),
        Inbound("b", PresenceMessage(Presence.OFFLINE, "i")),
        Inbound("b", Response("r", True, "")),
        Inbound("b", ChunkRequest("b", "a" * 64, 9, 4, "wA==")),
        Inbound("c", batch_of("c", 1)),
    ]
    hand_in(messages, Calls())

    assert calls == [
        ("expected", (["a", "b"], ["order"])),
        ("events of a", [1, 2, 3]),
        ("telemetry of a", [1, 2]),
        ("hello", 5),
        ("events of a", [4]),
        ("presence of b", "offline"),
        ("response of b", "r"),
        ("chunks for b", "wA=="),
        ("events of b", [7]),
        ("telemetry of c", [1]),
    ]


def test_during_a_renewal_either_key_speaks_and_a_hello_tells_which(book: Recorder) -> None:
    old, new = book.enrol("cam-1"), generate_key()
    book.next_keys["cam-1"] = new.public_key()

    for key in (old, new):
        message = read(Telegram(topic("cam-1", "hello"), hello_payload(key, hello("cam-1"))), book.public_keys)
        assert message.signed_by == key.public_key()
        assert read(Telegram(topic("cam-1", "events"), events_payload(key, event("cam-1", 1))), book.public_keys)
