"""Simulated devices that say what real agents say, message for message, and do what a scenario wants of a release.

Promises: hello, events and telemetry are signed and numbered as by an agent, kept until acknowledged and sent again on
a new connection, or after the same silence as an agent's; a bundle is obeyed once by its sequence number, in the steps
of the real state machine; a halt list stops what has not switched. Refuses to verify metadata: that is the agent's, and
has tests of its own. The outcome of a release on a device is the scenario's: `Fate`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum

from surefoot_agent.post import RESEND_S
from surefoot_shared import wire
from surefoot_shared.identity import DeviceKey, seal
from surefoot_shared.messages import (
    Ack,
    AssignmentNote,
    ComponentReport,
    Event,
    EventKind,
    Events,
    Hello,
    MetadataVersions,
    PresenceMessage,
    RunningProof,
    Sample,
    SlotReport,
    TelemetryBatch,
)
from surefoot_shared.seals import SealKind
from surefoot_shared.status import AttemptState, Intent, Outcome, Presence, SlotName, SlotState
from surefoot_shared.topics import FLEET_HALT, FLEET_TRUST, up
from surefoot_shared.trust.bundle import unpack
from surefoot_simulators.fleet.packets import Will
from surefoot_simulators.fleet.swarm import Swarm

STEPS = (
    AttemptState.CHECKING,
    AttemptState.DOWNLOADING,
    AttemptState.VERIFIED,
    AttemptState.STAGED,
    AttemptState.ARMED,
    AttemptState.SWITCHING,
    AttemptState.PROBATION,
)
LAST_BEFORE_THE_SWITCH = STEPS.index(AttemptState.ARMED)


class Fate(str, Enum):
    """What becomes of a release on a device."""

    COMMITS = "commits"
    REVERTS = "reverts"
    WAITS = "waits"
    """Stays where it is before the switch: a slow download."""


@dataclass
class Attempt:
    note: AssignmentNote
    release: str
    digest: str
    fate: Fate
    step: int = -1


@dataclass
class SimDevice:
    name: str
    key: DeviceKey
    release: str
    digest: str
    hw: str = "x86-box"
    slot: SlotName = SlotName.A
    previous: tuple[str, str] | None = None
    seq: int = 0
    """Highest assignment seq that was accepted."""
    halted_at_s: float | None = None
    """When the newest halt list arrived, monotonic."""
    halts: int = 0
    said_at_s: float = 0.0
    """When it last sent events, or was told that some are stored; monotonic."""
    metadata: int = 0
    """The version of the newest assignments that it has seen."""
    attempt: Attempt | None = None
    history: list[str] = field(default_factory=list)
    """Releases that it ran, in order."""
    outbox: dict[int, Event] = field(default_factory=dict)
    hellos: int = 0
    numbered: int = 0
    """Events that it ever said; their numbers are 1 to this."""
    batches: int = 0
    stored_batch: int = 0
    """The highest batch of telemetry that the server says it has."""
    endings: dict[str, Outcome] = field(default_factory=dict)
    """Assignment → how the device said that it ended."""


class SimFleet:
    """Devices on one swarm. `fate_of(device, release)` decides; `step` moves every attempt on by one state."""

    def __init__(
        self, swarm: Swarm, devices: Iterable[SimDevice], fate_of: Callable[[str, str], Fate], component: str = "app"
    ) -> None:
        self.swarm, self._fate_of, self._component = swarm, fate_of, component
        self.devices: dict[str, SimDevice] = {device.name: device for device in devices}

    def connect(self, names: Iterable[str] | None = None) -> None:
        """Connect whoever is not, of all or of these, and say hello and everything that is not acknowledged."""
        away = [name for name in (self.devices if names is None else names) if name not in self.swarm.wires]
        self.swarm.connect(away, topics_of, lambda name: Will(up(name, "presence"), _presence(Presence.OFFLINE)))
        for name in away:
            device = self.devices[name]
            self.swarm.publish(name, up(name, "presence"), _presence(Presence.ONLINE), retain=True)
            self.hello(device)
            self._send(device, list(device.outbox.values()))

    def hear(self, name: str, topic: str, payload: bytes) -> None:
        """What the swarm hands over."""
        device = self.devices[name]
        if topic == FLEET_HALT:
            device.halted_at_s, device.halts = time.monotonic(), device.halts + 1
            self._obey_halt(device, payload)
        elif topic == FLEET_TRUST:
            self.hello(device)
        elif topic.endswith("/bundle") and payload:
            self._obey_bundle(device, payload)
        elif topic.endswith("/ack"):
            ack = wire.decode(Ack, payload)
            device.stored_batch = max(device.stored_batch, ack.batch)
            left = {seq: event for seq, event in device.outbox.items() if seq > ack.event}
            if len(left) < len(device.outbox):  # heartbeats that are acknowledged do not end an event's silence
                device.outbox, device.said_at_s = left, time.monotonic()

    def hello(self, device: SimDevice) -> None:
        device.hellos += 1
        said = Hello(
            device=device.name,
            seq=device.hellos,
            nonce=f"{device.name}-{device.hellos}",
            stream="sim",
            instance="sim-1",
            boot_id="boot-1",
            at=_now(),
            clock_source="ntp",
            agent="0.1.0",
            hw=device.hw,
            components=(self._report(device),),
            image=MetadataVersions(),
            director=MetadataVersions(),
        )
        self.swarm.publish(
            device.name, up(device.name, "hello"), wire.encode(seal(SealKind.HELLO, wire.encode(said), device.key))
        )

    def say_again(self, name: str) -> None:
        """Send once more what is not acknowledged, as a client does whose own acknowledgement was lost."""
        device = self.devices[name]
        self._send(device, list(device.outbox.values()))

    def step(self) -> None:
        """Each attempt moves on by one state and says so; what was not acknowledged for long is said again."""
        now_s = time.monotonic()
        for device in self.devices.values():
            if device.outbox and now_s - device.said_at_s >= RESEND_S:
                self._send(device, list(device.outbox.values()))
            attempt = device.attempt
            if attempt is None or (
                attempt.fate is Fate.WAITS and attempt.step >= STEPS.index(AttemptState.DOWNLOADING)
            ):
                continue
            attempt.step += 1
            if attempt.step < len(STEPS):
                self._say(device, state=STEPS[attempt.step], kind=EventKind.PROGRESS)
            else:
                self._end(device, attempt)

    def measure(self, metrics: Callable[[SimDevice], Mapping[str, float]], names: Iterable[str] | None = None) -> None:
        """Every connected device, or these of them, sends one batch of telemetry: its heartbeat."""
        for name in list(self.swarm.wires if names is None else names):
            if name not in self.swarm.wires:
                continue
            device = self.devices[name]
            device.batches += 1
            samples = tuple(
                Sample(_now(), metric, value, self._component, device.digest, device.slot)
                for metric, value in metrics(device).items()
            )
            batch = TelemetryBatch(name, "sim", device.batches, 0, samples)
            self.swarm.publish(name, up(name, "telemetry"), wire.encode(batch))

    def running(self, release: str) -> int:
        return sum(device.release == release for device in self.devices.values())

    def _report(self, device: SimDevice) -> ComponentReport:
        other = SlotName.B if device.slot is SlotName.A else SlotName.A
        slots = {device.slot.value: SlotReport(SlotState.GOOD, device.release, device.digest)}
        slots[other.value] = (
            SlotReport(SlotState.GOOD, *device.previous) if device.previous else SlotReport(SlotState.EMPTY)
        )
        attempt = device.attempt
        state = (
            STEPS[attempt.step]
            if attempt and attempt.step >= 0
            else AttemptState.OFFERED
            if attempt
            else AttemptState.IDLE
        )
        return ComponentReport(
            component=self._component,
            slot=device.slot,
            release=device.release,
            digest=device.digest,
            slots=slots,
            state=state,
            assignment=attempt.note.assignment if attempt else None,
            seq=device.seq,
        )

    def _obey_bundle(self, device: SimDevice, payload: bytes) -> None:
        files = unpack(payload).director
        name, raw = next(((n, text) for n, text in files.items() if n.endswith(".targets.json")), ("0.", None))
        version = int(name.partition(".")[0])
        if raw is None or version < device.metadata:
            return  # a broker that was killed brings back an older bundle: an agent refuses it by its version
        device.metadata = version
        wishes = {}
        for path, target in json.loads(raw)["signed"]["targets"].items():
            note = wire.from_json(AssignmentNote, target["custom"])
            wishes[note.component] = (note, path, target["hashes"]["sha256"])
        if self._component not in wishes:
            if device.attempt is not None and device.attempt.step < LAST_BEFORE_THE_SWITCH:
                self._finish(device, device.attempt, Outcome.CANCELLED, "cancelled_by_order")
            return
        note, path, digest = wishes[self._component]
        if note.seq <= device.seq:
            return
        device.seq = note.seq
        release = path.removeprefix("releases/").removesuffix("/manifest.json")
        fate = Fate.COMMITS if note.intent is not Intent.UPDATE else self._fate_of(device.name, release)
        device.attempt = Attempt(note, release, digest, fate)
        if digest == device.digest and note.shadow is None:  # it is there already, and proves it
            self._finish(device, device.attempt, Outcome.COMMITTED, None, _proof(digest, device.slot))

    def _obey_halt(self, device: SimDevice, payload: bytes) -> None:
        attempt = device.attempt
        if attempt is not None and attempt.step < LAST_BEFORE_THE_SWITCH and attempt.digest.encode() in payload:
            self._finish(device, attempt, Outcome.CANCELLED, "halted")

    def _end(self, device: SimDevice, attempt: Attempt) -> None:
        if attempt.fate is Fate.REVERTS:
            self._finish(device, attempt, Outcome.REVERTED, "health_failed")
            return
        slot = SlotName.B if device.slot is SlotName.A else SlotName.A
        device.previous, device.slot = (device.release, device.digest), slot
        device.release, device.digest = attempt.release, attempt.digest
        device.history.append(attempt.release)
        self._finish(device, attempt, Outcome.COMMITTED, None, _proof(attempt.digest, slot))

    def _finish(
        self,
        device: SimDevice,
        attempt: Attempt,
        outcome: Outcome,
        reason: str | None,
        proof: RunningProof | None = None,
    ) -> None:
        device.endings[attempt.note.assignment] = outcome
        self._say(device, kind=EventKind.OUTCOME, outcome=outcome, reason=reason, proof=proof)
        device.attempt = None

    def _say(
        self,
        device: SimDevice,
        *,
        kind: EventKind,
        state: AttemptState | None = None,
        outcome: Outcome | None = None,
        reason: str | None = None,
        proof: RunningProof | None = None,
    ) -> None:
        attempt = device.attempt
        assert attempt is not None
        device.numbered += 1
        said = Event(
            device=device.name,
            stream="sim",
            seq=device.numbered,
            at=_now(),
            boot_id="boot-1",
            kind=kind,
            component=self._component,
            assignment=attempt.note.assignment,
            attempt=1,
            state=state,
            outcome=outcome,
            reason=reason,
            proof=proof,
        )
        device.outbox[said.seq] = said
        self._send(device, [said])

    def _send(self, device: SimDevice, events: list[Event]) -> None:
        if device.name not in self.swarm.wires:
            return
        device.said_at_s = time.monotonic()
        for start in range(0, len(events), 20):
            sealed = tuple(seal(SealKind.EVENT, wire.encode(e), device.key) for e in events[start : start + 20])
            self.swarm.publish(device.name, up(device.name, "events"), wire.encode(Events(sealed)))


def topics_of(name: str) -> tuple[str, ...]:
    return (f"surefoot/v1/d/{name}/down/#", "surefoot/v1/fleet/#")


def _presence(state: Presence) -> bytes:
    return wire.encode(PresenceMessage(state, "sim-1"))


def _proof(digest: str, slot: SlotName) -> RunningProof:
    return RunningProof(digest, slot, 42, f"/slots/{slot.value}/app", f"/slots/{slot.value}", True, 1.0)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
