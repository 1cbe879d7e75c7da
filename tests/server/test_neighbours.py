"""Agents one version older or newer: what they say is taken, the unknown is passed over, what is missing is assumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlmodel import select

from surefoot_server.devices.models import Device, DeviceComponent, DeviceEvent, DeviceStream
from surefoot_server.inbound import Telegram, hand_in, read
from surefoot_server.ingest import Ingest
from surefoot_server.telemetry import repository
from surefoot_shared import wire
from surefoot_shared.identity import DeviceKey, generate_key, public_to_pem, seal
from surefoot_shared.messages import Events
from surefoot_shared.seals import SealKind
from tests.server.rig import NOW, Rig, later

RECORDED = Path(__file__).parent / "neighbours"
"""Messages as the first agents sent them, byte for byte."""
DEVICE = "cam-17"
LATER = {"new_field": {"of": ["a", {"later": True}]}, "another": None}


def older(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def newer(name: str) -> bytes:
    """The same from an agent that says more, at every level of the message."""
    return json.dumps(_grown(json.loads(older(name)))).encode()


def smaller(name: str) -> bytes:
    """Only what a message must have: everything that has a default is left out."""
    whole = json.loads(older(name))
    optional = {
        "hello": ("halt_epoch", "svn_floor", "trials_reported"),
        "event": ("attempt", "progress", "report", "reason", "message"),
    }
    return json.dumps({k: v for k, v in whole.items() if k not in optional.get(name, ())}).encode()


def _grown(value: object) -> object:
    if isinstance(value, list):
        return [_grown(each) for each in value]
    if not isinstance(value, dict):
        return value
    grown = {key: each if key in ("slots", "roles", "measured") else _grown(each) for key, each in value.items()}
    return {**grown, **LATER}


@pytest.fixture
def key(rig: Rig) -> DeviceKey:
    made = generate_key()
    with rig.db.write() as session:
        rig.devices.register(session, DEVICE, "jetson-orin", public_to_pem(made.public_key()).decode(), NOW)
    return made


@pytest.fixture
def ingest(rig: Rig) -> Ingest:
    return Ingest(rig.db, rig.devices, lambda *_: None, lambda: later(1))


def hear(ingest: Ingest, key: DeviceKey, say: object) -> None:
    """Everything that the agent says, through the server's own border."""
    messages = {name: say(name) for name in ("hello", "event", "telemetry", "presence", "response")}  # type: ignore[operator]
    event = wire.encode(Events((seal(SealKind.EVENT, messages["event"], key),)))
    hello = wire.encode(seal(SealKind.HELLO, messages["hello"], key))
    said = {"hello": hello, "events": event} | {n: messages[n] for n in ("telemetry", "presence", "response")}
    with ingest.batch() as taken:
        for what, payload in said.items():
            hand_in([read(Telegram(f"surefoot/v1/d/{DEVICE}/up/{what}", payload), ingest.public_keys)], taken)


@pytest.mark.parametrize("say", [older, newer, smaller])
def test_everything_a_neighbouring_agent_says_is_stored(rig: Rig, ingest: Ingest, key: DeviceKey, say: object) -> None:
    hear(ingest, key, say)

    assert ingest.dropped() == {}
    with rig.db.read() as session:
        device = session.get(Device, DEVICE)
        part = session.get(DeviceComponent, (DEVICE, "app"))
        event = session.exec(select(DeviceEvent)).one()
        (sample,) = repository.samples(session, [DEVICE])
    assert device is not None
    assert part is not None
    assert (device.agent, device.hello_at, part.digest, part.state) == ("0.1.0", later(1), "2" * 64, "probation")
    assert (event.seq, event.outcome, event.assignment_id) == (42, "reverted", "a-17")
    assert (sample.name, sample.value, sample.slot) == ("camera_fps", 24.9, "B")


def strange(name: str) -> bytes:
    """The same from an agent that has got more words."""
    more = {"event": {"kind": "rehearsal", "outcome": "postponed"}, "hello": {"components": [{"state": "warming"}]}}
    return json.dumps({**json.loads(older(name)), **more.get(name, {})}).encode()


def test_words_that_nobody_knows_yet_stop_neither_what_follows_nor_the_device(
    rig: Rig, ingest: Ingest, key: DeviceKey
) -> None:
    hear(ingest, key, strange)
    hear(ingest, key, older)  # the same numbers: what was kept is a duplicate by now

    device = rig.device_row(DEVICE)
    with rig.db.read() as session:
        event = session.exec(select(DeviceEvent)).one()
        stream = session.get(DeviceStream, (DEVICE, event.stream))
    assert (device.hello_at, device.agent) == (later(1), "0.1.0")
    assert stream is not None
    assert (event.kind, event.seq, stream.event_seq) == ("notice", 42, 42)
    assert "kind 'rehearsal', outcome 'postponed'" in event.message


def test_what_is_left_out_is_assumed(rig: Rig, ingest: Ingest, key: DeviceKey) -> None:
    hear(ingest, key, smaller)

    device = rig.device_row(DEVICE)
    assert (device.halt_epoch, device.svn_floor) == (0, 0)
