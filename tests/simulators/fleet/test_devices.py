"""What simulated devices say and do, without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping

from surefoot_agent.post import RESEND_S
from surefoot_shared import wire
from surefoot_shared.identity import generate_key, open_sealed
from surefoot_shared.messages import Ack, AssignmentNote, Event, Events, Hello, Sealed, TelemetryBatch
from surefoot_shared.seals import SealKind
from surefoot_shared.status import AttemptState, Intent, Outcome
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_simulators.fleet.devices import Fate, SimDevice, SimFleet

KEY = generate_key()
NEW = "b" * 64


class Wires:
    """A swarm that remembers."""

    def __init__(self) -> None:
        self.wires = {"cam-1": object()}
        self.said: list[tuple[str, bytes]] = []

    def connect(self, names: list[str], *_: object) -> None:
        self.wires.update(dict.fromkeys(names, object()))

    def publish(self, _name: str, topic: str, payload: bytes, **_more: object) -> None:
        self.said.append((topic.rpartition("/")[2], payload))

    def events(self) -> list[Event]:
        sealed = [one for what, raw in self.said if what == "events" for one in wire.decode(Events, raw).events]
        return [wire.decode(Event, open_sealed(SealKind.EVENT, one, KEY.public_key())) for one in sealed]


def make(fate: Fate = Fate.COMMITS) -> tuple[SimFleet, SimDevice, Wires]:
    wires, device = Wires(), SimDevice("cam-1", KEY, "app/1.0", "a" * 64)
    return SimFleet(wires, [device], lambda *_: fate), device, wires  # type: ignore[arg-type]


def bundle(seq: int, intent: Intent = Intent.UPDATE, release: str = "app/1.1", version: int = 7) -> bytes:
    note = wire.to_json(AssignmentNote("cam-1", f"a-{seq}", "app", seq, intent))
    target: Mapping[str, object] = {"custom": note, "hashes": {"sha256": NEW}}
    signed = {"signed": {"targets": {f"releases/{release}/manifest.json": target}}}
    return pack(Bundle("cam-1", {f"{version}.targets.json": json.dumps(signed)}))


def run(fleet: SimFleet, steps: int = 10) -> None:
    for _ in range(steps):
        fleet.step()


def test_a_wish_is_obeyed_once_in_the_steps_of_the_machine_and_proved() -> None:
    fleet, device, wires = make()

    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)

    events = wires.events()
    assert [e.state for e in events[:2]] == [AttemptState.CHECKING, AttemptState.DOWNLOADING]
    assert (events[-1].outcome, events[-1].proof is not None) == (Outcome.COMMITTED, True)
    assert [e.seq for e in events] == list(range(1, 9))
    assert (device.release, device.previous) == ("app/1.1", ("app/1.0", "a" * 64))


def test_a_bad_release_is_reverted_and_the_old_one_runs() -> None:
    fleet, device, wires = make(Fate.REVERTS)

    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)

    assert (wires.events()[-1].outcome, device.release) == (Outcome.REVERTED, "app/1.0")


def test_a_halt_stops_what_has_not_switched() -> None:
    fleet, device, wires = make(Fate.WAITS)
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)

    fleet.hear("cam-1", "surefoot/v1/fleet/halt", f"…{NEW}…".encode())

    assert (wires.events()[-1].outcome, device.attempt, device.halts) == (Outcome.CANCELLED, None, 1)


def test_events_are_sent_again_until_they_are_acknowledged() -> None:
    fleet, device, wires = make()
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/ack", wire.encode(Ack("sim", 6, 0)))
    wires.said.clear()
    wires.wires.clear()

    fleet.connect()

    assert [e.seq for e in wires.events()] == [7, 8]
    hello = wire.decode(Hello, wire.decode(Sealed, dict(wires.said)["hello"]).payload.encode())
    assert hello.components[0].release == "app/1.1"
    assert list(device.outbox) == [7, 8]


def test_samples_carry_what_runs() -> None:
    fleet, _, wires = make()

    fleet.measure(lambda _: {"camera_fps": 25.0})

    batch = wire.decode(TelemetryBatch, dict(wires.said)["telemetry"])
    assert (batch.batch, batch.samples[0].digest, batch.samples[0].value) == (1, "a" * 64, 25.0)


def test_events_that_nobody_acknowledges_are_said_again_after_the_silence_of_an_agent() -> None:
    fleet, device, wires = make()
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)
    before = len(wires.events())

    fleet.step()
    assert len(wires.events()) == before
    device.said_at_s -= RESEND_S
    fleet.step()

    assert [e.seq for e in wires.events()[before:]] == list(device.outbox)
    assert [e.seq for e in wires.events()[before:]] == list(range(1, device.numbered + 1))


def test_heartbeats_that_are_acknowledged_do_not_end_the_silence_about_an_event() -> None:
    fleet, device, wires = make(Fate.WAITS)
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    run(fleet)
    before = len(wires.events())
    device.said_at_s -= RESEND_S

    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/ack", wire.encode(Ack("sim", 0, 9)))
    run(fleet, 1)

    assert len(wires.events()) == 2 * before


def test_only_those_whose_time_it_is_send_a_heartbeat_and_a_stored_one_is_remembered() -> None:
    fleet, device, wires = make()

    fleet.measure(lambda _: {"camera_fps": 25.0}, ["somebody-else"])
    assert wires.said == []
    fleet.measure(lambda _: {"camera_fps": 25.0}, ["cam-1"])
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/ack", wire.encode(Ack("sim", 0, 1)))

    assert (device.batches, device.stored_batch) == (1, 1)


def test_an_older_bundle_that_a_killed_broker_brings_back_is_not_obeyed() -> None:
    fleet, device, _wires = make()
    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", bundle(5))
    old = pack(Bundle("cam-1", {"6.targets.json": json.dumps({"signed": {"targets": {}}})}))

    fleet.hear("cam-1", "surefoot/v1/d/cam-1/down/bundle", old)

    assert device.attempt is not None
