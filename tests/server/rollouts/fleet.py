"""A fleet against the real service on a real database: devices that say hello, commit, revert and fall silent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlmodel import col, select

from surefoot_server.audit.models import AuditEntry
from surefoot_server.devices import repository as devices
from surefoot_server.devices.models import Assignment, DeviceComponent
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.models import Rollout, RolloutDecision, RolloutMember, RolloutPhase
from surefoot_server.rollouts.service import RolloutService
from surefoot_server.telemetry import service as telemetry
from surefoot_shared.messages import Event, PresenceMessage, Sample, TelemetryBatch
from surefoot_shared.status import AttemptState, Outcome, Presence, SlotName
from tests.server.rig import Rig, digest, hello, later, migrated, outcome, progress, runs

POLICY = """
phases:
  - {name: canary, percent: 25, bake: 60s}
  - {name: rest, percent: 100, bake: 60s}
gate: {max_wait: 1h}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 20m}
"""
HW = ("jetson-orin", "rpi5", "x86-box")
RELEASES = ("app/1.0", "app/1.1", "app/1.2")


class Fleet:
    """Twelve devices, four of each hardware, online and running app/1.0; `at` is the server's clock in seconds."""

    _made: bytes | None = None
    """The database with these twelve, made once: to let them join anew took longer than most tests of rollouts."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.at = 0.0
        self._seqs: dict[str, int] = {}
        self._hellos: dict[str, int] = {}
        self._batches: dict[str, int] = {}
        self.names = [f"cam-{i:02}" for i in range(1, 13)]
        rig.db.dispose()  # the last connection brings everything into the file itself
        file = rig.state.settings.data_dir / "surefoot.db"
        fresh = file.read_bytes() == migrated()
        if fresh and Fleet._made is not None:
            file.write_bytes(Fleet._made)
            self._hellos = dict.fromkeys(self.names, 1)
        else:
            self._join()
        if fresh and Fleet._made is None:
            rig.db.dispose()
            Fleet._made = file.read_bytes()
        rig.dirty.clear()

    def _join(self) -> None:
        for release in RELEASES:
            self.rig.release(release, HW)
        for index, name in enumerate(self.names):
            self.rig.device(name, HW[index % 3])
        self.hellos("app/1.0", *self.names)

    @property
    def service(self) -> RolloutService:
        return self.rig.state.rollouts

    @property
    def now(self) -> datetime:
        return later(self.at)

    def start(self, release: str = "app/1.1", cohort: str = "all", policy: str = POLICY, **more: object) -> str:
        order = Order(policy, release, cohort, **more)  # type: ignore[arg-type]
        return self.service.start(order, "alice", self.now)

    def tick(self, seconds: float = 0.0) -> int:
        """Let time pass as a running server sees it: with a look every few seconds."""
        changed = 0
        while seconds > 20:
            self.at += 20
            seconds -= 20
            changed += self._look()
        self.at += seconds
        return changed + self._look()

    def _look(self) -> int:
        with self.rig.db.write() as session:
            online = [name for name in self.names if devices.device(session, name).online]
            devices.touch(session, online, self.now)
        return self.service.tick(self.now)

    def hello(self, name: str, release: str | None) -> None:
        self.hellos(release, name)

    def hellos(self, release: str | None, *names: str) -> None:
        with self.rig.db.write() as session:
            for name in names:
                seq = self._hellos[name] = self._hellos.get(name, 0) + 1
                hw = devices.device(session, name).hw
                self.rig.devices.hello(session, hello(name, seq, hw=hw, components=(runs(release),)), self.now)

    def announce(self, name: str, *abilities: str) -> None:
        """The device says hello, and what its agent can do."""
        with self.rig.db.write() as session:
            seq = self._hellos[name] = self._hellos.get(name, 0) + 1
            hw = devices.device(session, name).hw
            said = (runs("app/1.0", abilities=abilities),)
            self.rig.devices.hello(session, hello(name, seq, hw=hw, components=said), self.now)

    def measure(self, name: str, release: str, figures: Mapping[str, float]) -> None:
        """The device tells these figures of a release."""
        at = self.now.isoformat()
        samples = tuple(Sample(at, n, v, "app", digest(release), SlotName.B) for n, v in figures.items())
        with self.rig.db.write() as session:
            batch = self._batches[name] = self._batches.get(name, 0) + 1
            telemetry.ingest(session, name, [TelemetryBatch(name, "t1", batch, 0, samples)], self.now)

    def offline(self, *names: str) -> None:
        for name in names:
            with self.rig.db.write() as session:
                self.rig.devices.presence(session, name, PresenceMessage(Presence.OFFLINE, "i1"))

    def state(self, name: str, state: AttemptState) -> None:
        self._say(name, progress(self.wish(name), self._seq(name), state))

    def end(self, what: Outcome, *names: str) -> None:
        for name in names:
            self._say(name, outcome(self.wish(name), self._seq(name), what, message="frozen frames"))

    def fail(self, kind: str, *names: str) -> None:
        for name in names:
            self._say(name, outcome(self.wish(name), self._seq(name), Outcome.FAILED, reason=kind))

    def why(self, name: str) -> str | None:
        with self.rig.db.read() as session:
            return self.service.why(session, name, "app", self.now)

    def commit(self, *names: str) -> None:
        self.end(Outcome.COMMITTED, *names)

    def wish(self, name: str) -> Assignment:
        """The newest assignment of the device."""
        with self.rig.db.read() as session:
            query = select(Assignment).where(Assignment.device_id == name).order_by(col(Assignment.seq).desc())
            found = session.exec(query).first()
        assert found is not None, f"{name} was never offered anything"
        return found

    def wished(self, release: str = "app/1.1") -> set[str]:
        """Devices with an open assignment of the release."""
        with self.rig.db.read() as session:
            query = select(Assignment.device_id).where(Assignment.release_id == release, col(Assignment.open).is_(True))
            return set(session.exec(query))

    def runs(self, name: str) -> str | None:
        with self.rig.db.read() as session:
            part = session.get(DeviceComponent, (name, "app"))
        return part.release_id if part else None

    def rollout(self, rollout_id: str) -> Rollout:
        with self.rig.db.read() as session:
            return repository.rollout(session, rollout_id)

    def phases(self, rollout_id: str) -> list[RolloutPhase]:
        with self.rig.db.read() as session:
            return repository.phases(session, rollout_id)

    def members(self, rollout_id: str) -> dict[str, RolloutMember]:
        with self.rig.db.read() as session:
            return {m.device_id: m for m in repository.members(session, rollout_id)}

    def in_phase(self, rollout_id: str, index: int) -> list[str]:
        return sorted(name for name, m in self.members(rollout_id).items() if m.phase == index)

    def decisions(self, rollout_id: str) -> list[RolloutDecision]:
        """The oldest first."""
        with self.rig.db.read() as session:
            return repository.decisions(session, rollout_id, 10_000)[::-1]

    def audited(self, rollout_id: str) -> list[AuditEntry]:
        with self.rig.db.read() as session:
            query = select(AuditEntry).where(AuditEntry.object == f"rollout:{rollout_id}")
            return list(session.exec(query.order_by(col(AuditEntry.seq))))

    def _say(self, name: str, event: Event) -> None:
        self.rig.events(name, event, now=self.now)

    def _seq(self, name: str) -> int:
        self._seqs[name] = self._seqs.get(name, 0) + 1
        return self._seqs[name]

    def held_way_back(self) -> str:
        """A rollout that is taken back, where one device could not go back and the policy stops for it."""
        rollout = self.start(policy=POLICY + "revert: {phases: [{percent: 10}, {percent: 100}], tripwire: 1}\n")
        self.tick()
        canary = self.in_phase(rollout, 0)
        self.commit(*canary)
        self.service.revert(rollout, "alice", self.now)
        self.tick(1)
        self.end(Outcome.FAILED, *(name for name in canary if name in self.wished("app/1.0")))
        self.tick(1)
        return rollout
