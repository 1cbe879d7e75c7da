"""What the device believes it was sent."""

from __future__ import annotations

import pytest

from surefoot_agent.downlink import (
    AckArrived,
    BundleArrived,
    HaltArrived,
    LeaseArrived,
    LinkEvent,
    MessageRefused,
    RequestArrived,
    TrustHintArrived,
    parse_down,
)
from surefoot_shared import topics, wire
from surefoot_shared.messages import Ack, Lease, Request, RequestKind, Source, TrustHint

DOWN = "surefoot/v1/d/cam-1/down/"
ACK = Ack("stream-1", 3, 4)
LEASE = Lease("a1", (Source("https://server/blobs/", "token"),), 60.0)
REQUEST = Request("r1", RequestKind.LOGS)
HINT = TrustHint(3, 1, 2)


@pytest.mark.parametrize(
    ("topic", "payload", "event"),
    [
        (DOWN + "bundle", b"\x00 any bytes", BundleArrived(b"\x00 any bytes")),
        (DOWN + "ack", wire.encode(ACK), AckArrived(ACK)),
        (DOWN + "lease", wire.encode(LEASE), LeaseArrived(LEASE)),
        (DOWN + "request", wire.encode(REQUEST), RequestArrived(REQUEST)),
        ("surefoot/v1/fleet/halt", b"{signed}", HaltArrived(b"{signed}")),
        ("surefoot/v1/fleet/trust", wire.encode(HINT), TrustHintArrived(HINT)),
    ],
)
def test_each_topic_of_the_server_becomes_its_value(topic: str, payload: bytes, event: LinkEvent) -> None:
    assert parse_down("cam-1", topic, payload) == event


@pytest.mark.parametrize("what", ["ack", "lease", "request"])
@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b'{"v":9}', b'{"v":1}', b"[" * 50_000])
def test_a_malformed_message_is_reported_with_its_topic_and_never_raised(what: str, payload: bytes) -> None:
    refused = parse_down("cam-1", DOWN + what, payload)

    assert isinstance(refused, MessageRefused)
    assert refused.topic == DOWN + what
    assert refused.message


@pytest.mark.parametrize(
    "topic",
    [
        "surefoot/v1/d/cam-2/down/bundle",
        DOWN + "unknown",
        DOWN,
        "surefoot/v1/fleet/other",
        "surefoot/v1/d/cam-1/up/hello",
    ],
)
def test_a_topic_that_is_not_this_devices_is_refused_though_the_broker_delivered_it(topic: str) -> None:
    assert isinstance(parse_down("cam-1", topic, b"bundle"), MessageRefused)


def test_a_message_above_the_limit_is_refused_unread() -> None:
    refused = parse_down("cam-1", DOWN + "bundle", b"x" * (wire.LIMIT_BYTES + 1))

    assert isinstance(refused, MessageRefused)
    assert "262145 bytes" in refused.message


def test_fields_that_this_version_does_not_know_are_ignored() -> None:
    payload = b'{"batch":4,"event":3,"stream":"stream-1","v":1,"invented_later":true}'

    assert parse_down("cam-1", DOWN + "ack", payload) == AckArrived(ACK)


@pytest.mark.parametrize("url", ["file:///etc/", "ftp://x/", "/etc/"])
def test_a_lease_that_names_a_file_of_this_device_is_refused(url: str) -> None:
    raw = wire.encode(Lease("a-1", (Source("https://x/", "t"), Source(url, "")), 60.0))

    assert isinstance(parse_down("cam-1", topics.down("cam-1", "lease"), raw), MessageRefused)
