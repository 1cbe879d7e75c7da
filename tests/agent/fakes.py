"""A device in one process: real slots, link, trial file and journal; simulated clock, application, health and server.

`World.trip` is called at every write; `World.cut_at` makes the n-th of them the last, as a power cut or a kill would.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.comparison import GoOn, Over, Step
from surefoot_agent.data import DataFolder, Kept
from surefoot_agent.desk import Desk, Rules
from surefoot_agent.downlink import AckArrived, BundleArrived, Connected, LeaseArrived
from surefoot_agent.guard import AppSpec
from surefoot_agent.health import probation
from surefoot_agent.journal import Journal, open_journal
from surefoot_agent.lanes import Done, InlineLanes, Lane, Lanes, Work
from surefoot_agent.migrations import Migration
from surefoot_agent.ports import CheckResult, Decision, Progress, Refusal, Running, Say, Suite, Wish, never, silent
from surefoot_agent.reset_cause import Cause, Origin
from surefoot_agent.runner import Item, Runner
from surefoot_agent.sight import Hands
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.trial import Trial, TrialFile
from surefoot_shared import identity, wire
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.messages import (
    Ack,
    Event,
    EventKind,
    Events,
    Hello,
    JointSet,
    Lease,
    MetadataVersions,
    Response,
    Sample,
    Sealed,
    ShadowTerms,
    Source,
    TelemetryBatch,
)
from surefoot_shared.release import (
    CheckKind,
    DataHandling,
    HealthCheck,
    Manifest,
    Probation,
    TargetNote,
    digest_of,
    manifest_bytes,
    note_of,
)
from surefoot_shared.seals import SealKind
from surefoot_shared.status import Ability, AttemptState, Check, Intent, Outcome, SlotName, SlotState
from surefoot_shared.trust.age import Old
from tests.agent.trees import install, release

KEY = identity.generate_key()


class Cut(BaseException):
    """The end of the world: nothing in the code under test may catch it."""


class HeldLanes(InlineLanes):
    """Lanes that, once told to hold, keep the work of a slow device until it is let go."""

    def __init__(self) -> None:
        self.held: list[tuple[Lane, Work, Done]] = []
        self.hold = False

    def submit(self, lane: Lane, work: Work, done: Done) -> None:
        if self.hold and lane is Lane.APP:
            self.held.append((lane, work, done))
        else:
            super().submit(lane, work, done)

    def let_go_one(self) -> None:
        """Do the oldest work that is held."""
        if self.held:
            super().submit(*self.held.pop(0))

    def let_go(self) -> None:
        self.hold = False
        for lane, work, done in self.held:
            super().submit(lane, work, done)
        self.held.clear()


class World:
    """Time and power. `trip` marks a point at which the world can end."""

    def __init__(self) -> None:
        self.now, self.boot, self.points, self.cut_at = 1000.0, 1, 0, 0
        self.shift_s = 0.0
        self.trace: list[str] = []

    def trip(self, name: str) -> None:
        self.points += 1
        self.trace.append(name)
        if self.points == self.cut_at:
            raise Cut(name)

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        self.trip(f"before {name}")
        yield
        self.trip(f"after {name}")

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.now + self.shift_s)

    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def source(self) -> str:
        return "ntp"


class TrippedBoot(SymlinkBoot):
    world: World
    ignores_switches = False

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        with self.world.around(f"boot {slot.value}={state.value}"):
            super().set_state(slot, state)

    def set_primary(self, slot: SlotName) -> None:
        with self.world.around(f"link {slot.value}"):
            super().set_primary(slot)

    def arm_trial(self, slot: SlotName) -> None:
        if not self.ignores_switches:
            super().arm_trial(slot)


class TrippedTrials(TrialFile):
    world: World

    def _decide_set(self, *given: object) -> Trial:
        with self.world.around("set"):
            return super()._decide_set(*given)  # type: ignore[arg-type]

    def _write(self, trial: object) -> None:
        with self.world.around("trial"):
            super()._write(trial)  # type: ignore[arg-type]


class TrippedSlots(DirectorySlots):
    world: World
    tight = False
    """The disk holds one release and no second."""

    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        super().room(size_bytes, inodes, slot)
        if self.tight and self.installed(slot.other) is not None:
            raise InstallFailed("no_space", "The disk holds one release.")

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        with self.world.around("slot begin"):
            super().begin(slot, manifest, raw)

    def seal(self, slot: SlotName) -> None:
        with self.world.around("slot seal"):
            super().seal(slot)

    def clear(self, slot: SlotName) -> None:
        with self.world.around("slot clear"):
            super().clear(slot)


class TrippedJournal:
    """Every durable method of the journal between two points."""

    WRITES = ("save", "note", "acknowledged", "spool", "set_locked", "set_holds", "next_hello", "reserve_batches")

    def __init__(self, journal: Journal, world: World) -> None:
        self._journal, self._world = journal, world

    def __getattr__(self, name: str) -> object:
        found = getattr(self._journal, name)
        return self._tripped(name, found) if name in self.WRITES else found

    def _tripped(self, name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object) -> object:
            with self._world.around(f"journal {name}"):
                return method(*given)

        return call


class FakeApplication:
    """A process table of one: survives the agent, not the power."""

    def __init__(self, world: World, slots: DirectorySlots) -> None:
        self._world, self._slots = world, slots
        self.process: Running | None = None
        self.starts: list[str] = []
        self.will_not_start: set[str] = set()
        self.data = slots.path(SlotName.A).parents[1] / "data"
        self.data.mkdir()
        self._number = 0

    def start(self, slot: SlotName, manifest: Manifest) -> Running:
        with self._world.around(f"start {slot.value}"):
            self.process = None
            if manifest.version in self.will_not_start:
                raise InstallFailed("boot_failed", f"{manifest.version} does not start.")
            self._number += 1
            self.starts.append(manifest.version)
            with (self.data / "counts").open("a") as counts:  # what it records while it runs
                counts.write(f"{manifest.version}\n")
            path = str(self._slots.path(slot))
            self.process = Running(f"start-{self._number}", 100 + self._number, slot, f"{path}/run", path, 0.0)
            return self.process

    def stop(self) -> None:
        with self._world.around("stop"):
            self.process = None

    def running(self) -> Running | None:
        return self.process

    def tend(self) -> None:
        pass

    def spec(self, slot: SlotName, manifest: Manifest) -> AppSpec:
        path = str(self._slots.path(slot))
        env = {"SUREFOOT_DATA": str(self.data)}
        return AppSpec(slot.value, (f"{path}/run",), path, env, f"{path}.log")

    def log_tail(self, lines: int = 40) -> str:
        return "the last words"

    def endpoint(self) -> Mapping[str, str]:
        return {}


class TrippedData(DataFolder):
    """Every step that makes, moves, records or removes a copy, between two points; a copy can end half made."""

    world: World

    def _forget_copies(self) -> None:
        with self.world.around("data forget"):
            super()._forget_copies()

    def _make_copy(self) -> None:
        with self.world.around("data copy"):
            (self._folder / "data.copy").mkdir()
            (self._folder / "data.copy" / "half").write_text("made")
            self.world.trip("half of data copy")
            shutil.rmtree(self._folder / "data.copy")
            super()._make_copy()

    def _take_copy(self) -> None:
        with self.world.around("data taken"):
            super()._take_copy()

    def save(self, kept: Kept) -> Kept:
        with self.world.around(f"data record {kept.phase.value}"):
            return super().save(kept)

    def restore(self, kept: Kept) -> None:
        with self.world.around("data restore"):
            super().restore(kept)

    def drop(self) -> None:
        with self.world.around("data drop"):
            super().drop()


class FakeMigrations:
    """Migrations of a format with a number: each may run twice, and can end in its middle. `fails` lists kinds."""

    def __init__(self, world: World, application: FakeApplication) -> None:
        self._world, self._application = world, application
        self.fails: set[str] = set()
        self.ran: list[str] = []

    def __call__(self, migration: Migration) -> None:
        file = Path(migration.env["SUREFOOT_DATA"]) / "format"
        assert migration.kind == "irreversible" or self._application.process is None, "the application runs"
        with self._world.around(f"{migration.kind} migration"):
            self.ran.append(f"{migration.kind} {migration.env['SUREFOOT_FROM']} {migration.env['SUREFOOT_TO']}")
            file.write_text("torn")
            self._world.trip(f"half of {migration.kind} migration")
            if migration.kind in self.fails:
                raise InstallFailed("migration_failed", f"The {migration.kind} migration failed.")
            file.write_text({"forward": "2", "backward": "1", "irreversible": "2 for good"}[migration.kind])


class FakeHealth:
    """`sick` versions fail the check `camera`, `silent` ones give no results."""

    def __init__(self) -> None:
        self.sick: set[str] = set()
        self.silent: set[str] = set()
        self.sick_parts: set[tuple[str, str]] = set()

    def suite(self, manifest: Manifest) -> Suite:
        return Suite(manifest, manifest.checks)

    def run(
        self, suite: Suite, baseline: Mapping[str, float], only: Collection[str] | None = None
    ) -> Sequence[CheckResult]:
        manifest = suite.manifest
        if manifest.version in self.silent:
            return ()
        sick = manifest.version in self.sick or (manifest.component, manifest.version) in self.sick_parts
        result = Check.FAIL if sick else Check.PASS
        message = "40 frozen frames" if result is Check.FAIL else ""
        return tuple(CheckResult(c.name, c.required, result, message, {"fps": 3.0}) for c in manifest.checks)

    def baseline(self, manifest: Manifest) -> Mapping[str, float]:
        return {"fps": 25.0}


class FakeShadow:
    """A shadow that is over after so many looks; what it was asked is in `seen`."""

    def __init__(self) -> None:
        self.looks, self.seen, self.ended = 3, [], []  # type: ignore[var-annotated]
        self.over = Over("It ran beside the live release: agreement 1.000.")
        self.runs = False

    def step(self, key: tuple[str, int], terms: ShadowTerms, slot: SlotName, manifest: Manifest) -> Step:
        self.seen.append((key, slot, manifest.version))
        self.runs = len(self.seen) < self.looks
        return GoOn("runs beside the live release") if self.runs else self.over

    def end(self, key: tuple[str, int]) -> None:
        self.ended.append(key)
        self.runs = False

    def stop(self) -> None:
        self.runs = False

    def samples(self, at: str, component: str) -> Sequence[Sample]:
        return [Sample(at, "shadow_agreement_ratio", 1.0, component, "d", SlotName.B)] if self.seen else []


class FakeDownloader:
    def __init__(self, world: World, slots: DirectorySlots) -> None:
        self._world, self._slots = world, slots
        self.blobs: dict[str, bytes] = {}
        self.errors: list[Exception] = []
        self.fetched: list[str] = []
        self.leases: list[Lease] = []
        self.forgotten = 0

    def manifest(self, wish: Wish, lease: Lease, stop: Callable[[], bool] = never) -> bytes:
        self.leases.append(lease)
        if self.errors:
            raise self.errors.pop(0)
        return self.blobs[wish.digest]

    def fill(
        self,
        wish: Wish,
        manifest: Manifest,
        slot: SlotName,
        lease: Lease,
        progress: Progress,
        stop: Callable[[], bool],
        say: Say = silent,
    ) -> None:
        say("It fetches what is missing.")
        for piece in self._slots.missing(slot):
            content = self.blobs[piece.sha256]
            with self._world.around(f"write {piece.name}"):
                self._slots.write(slot, piece, lambda offset, content=content: [content[offset:]])
            self.fetched.append(piece.name)
            progress(len(content), len(content))

    def forget(self) -> None:
        self.forgotten += 1


class FakeTrust:
    """A bundle is the name of a decision; what is not known is untrusted."""

    def __init__(self) -> None:
        self.decisions: dict[bytes, Decision] = {}
        self.halts: dict[bytes, tuple[int, tuple[str, ...]]] = {}
        self.floors: list[TargetNote] = []
        self.olds: list[Old] = []

    def decide(self, bundle: bytes) -> Decision:
        if bundle not in self.decisions:
            raise UntrustedRelease("metadata_untrusted", "Nobody we know signed this.")
        return self.decisions[bundle]

    def halt(self, metadata: bytes) -> tuple[int, tuple[str, ...], int]:
        if metadata not in self.halts:
            raise UntrustedRelease("metadata_untrusted", "Nobody we know signed this.")
        return (*self.halts[metadata], 0)

    def versions(self) -> tuple[MetadataVersions, MetadataVersions]:
        return MetadataVersions(root=1), MetadataVersions(root=1)

    def committed(self, note: TargetNote, digest: str) -> None:
        self.floors.append(note)

    def grown_old(self, system_now: datetime) -> Sequence[Old]:
        return self.olds


class FakeTelemetry:
    def sample(self, component: str, digest: str | None, slot: SlotName | None) -> Sequence[Sample]:
        return (Sample("2030-01-01T00:00:00Z", "camera_fps", 25.0, component, digest, slot),)


class Server:
    """The other end of the link: stores what it is sent, answers hello and downloading, acknowledges if told to."""

    def __init__(self, post: Callable[[Item], None], shared: ServerMemory) -> None:
        self._post, self._memory = post, shared

    def publish(self, what: str, payload: bytes) -> bool:
        memory = self._memory
        if not memory.online:
            return False
        match what:
            case "hello":
                sealed = wire.decode(Sealed, payload)
                raw = identity.open_sealed(SealKind.HELLO, sealed, KEY.public_key())
                memory.hellos.append(wire.decode(Hello, raw))
                if memory.bundle is not None:
                    self._post(BundleArrived(memory.bundle))
            case "events":
                for sealed in wire.decode(Events, payload).events:
                    raw = identity.open_sealed(SealKind.EVENT, sealed, KEY.public_key())
                    self._take(wire.decode(Event, raw))
                self._acknowledge()
            case "telemetry":
                memory.batches.append(wire.decode(TelemetryBatch, payload))
                self._acknowledge()
            case "response":
                memory.responses.append(wire.decode(Response, payload))
        return True

    def _take(self, event: Event) -> None:
        memory = self._memory
        before = memory.events.setdefault((event.stream, event.seq), event)
        assert before == event, "one number, two events"
        if event.state is AttemptState.DOWNLOADING and event.assignment and memory.leases:
            self._post(LeaseArrived(Lease(event.assignment, (Source("https://x/", "t"),), 600.0)))

    def _acknowledge(self) -> None:
        memory = self._memory
        if memory.acknowledges and memory.hellos:
            stream = memory.hellos[-1].stream
            event = max((seq for of, seq in memory.events if of == stream), default=0)
            batch = max((b.batch for b in memory.batches if b.stream == stream), default=0)
            self._post(AckArrived(Ack(stream, event, batch)))


@dataclass
class ServerMemory:
    bundle: bytes | None = None
    online: bool = True
    leases: bool = True
    acknowledges: bool = True
    hellos: list[Hello] = field(default_factory=list)
    events: dict[tuple[str, int], Event] = field(default_factory=dict)
    batches: list[TelemetryBatch] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def outcomes(self) -> list[tuple[str | None, Outcome | None, str | None]]:
        """Each outcome the server was told, in order."""
        told = [self.events[key] for key in sorted(self.events)]
        return [(e.assignment, e.outcome, e.reason) for e in told if e.kind is EventKind.OUTCOME]

    def states(self, assignment: str) -> list[str]:
        """States reported for an assignment, repeats left out."""
        told = [self.events[key] for key in sorted(self.events)]
        states = [e.state.value for e in told if e.assignment == assignment and e.state is not None]
        return [s for i, s in enumerate(states) if i == 0 or states[i - 1] != s]


FRAME = HealthCheck("camera", CheckKind.PROCESS, interval_s=1.0, timeout_s=1.0)
QUICK = Probation(startup_s=5.0, steady=2, soak_s=4.0)


class Part:
    """One component of a device: what of it outlives the agent. 1.0 is installed, good and current in slot A."""

    def __init__(self, name: str, folder: Path, world: World) -> None:
        self.name, self.component_dir, self.reboots = name, folder / name, False
        self.slots = TrippedSlots(self.component_dir)
        self.application = FakeApplication(world, self.slots)
        self.downloader = FakeDownloader(world, self.slots)
        self.data = TrippedData(self.component_dir)
        self.data.world = world
        self.migrations = FakeMigrations(world, self.application)
        self.boot_control = TrippedBoot(self.component_dir)
        self.trials = TrippedTrials(self.component_dir)
        self.slots.world = self.boot_control.world = self.trials.world = world
        self.manifests: dict[str, Manifest] = {}
        for version in ("1.0", "1.1", "1.2"):
            self.publish(version)
        self.provision()

    def publish(self, version: str, data: DataHandling | None = None) -> None:
        files = {"run": f"#!/bin/sh\n# {version}\n".encode(), "model": b"the same in all"}
        manifest = release(files, version, ("run",), ("run",), (FRAME,), QUICK, data=data)
        manifest = replace(manifest, component=self.name)
        self.manifests[version] = manifest
        self.downloader.blobs[digest_of(manifest_bytes(manifest))] = manifest_bytes(manifest)
        self.downloader.blobs.update({digest_of(content): content for content in files.values()})

    def provision(self) -> None:
        manifest = self.manifests["1.0"]
        install(self.slots, SlotName.A, manifest, {f.path: self.downloader.blobs[f.sha256] for f in manifest.files})
        guard.set_slot_state(self.component_dir, "A", "good")

    def digest(self, version: str) -> str:
        return digest_of(manifest_bytes(self.manifests[version]))

    def running_version(self) -> str | None:
        process = self.application.process
        manifest = self.slots.installed(process.slot) if process else None
        return manifest.version if manifest else None

    def linked_version(self) -> str | None:
        manifest = self.slots.installed(self.boot_control.current())
        return manifest.version if manifest else None


class Device:
    """What outlives the agent. `boot()` starts an agent on it; its first component is meant where none is named."""

    def __init__(self, folder: Path, components: Sequence[str] = ("app",)) -> None:
        self.folder = folder
        self.world, self.trust, self.server, self.health = World(), FakeTrust(), ServerMemory(), FakeHealth()
        self.parts = {name: Part(name, folder, self.world) for name in components}
        first = self.parts[components[0]]
        self.component_dir, self.slots, self.application = first.component_dir, first.slots, first.application
        self.downloader, self.manifests, self.trials = first.downloader, first.manifests, first.trials
        self.boot_control = first.boot_control
        self.publish, self.digest, self.provision = first.publish, first.digest, first.provision
        self.data, self.migrations = first.data, first.migrations
        self.running_version, self.linked_version = first.running_version, first.linked_version
        self.max_starts, self.guard_budget_s = 3, 60.0
        self.abilities = frozenset({Ability.RECREATE, Ability.SHADOW})
        self.shadow = FakeShadow()
        self.reset, self.kernel_tail = Cause.UNEXPLAINED, ""
        self.journal: TrippedJournal | None = None
        self.world.points, self.world.trace = 0, []
        self._seq = 0
        self.puller: object | None = None

    def wish(
        self, version: str, assignment: str, seq: int | None = None, component: str = "", **changes: object
    ) -> Wish:
        self._seq = self._seq + 1 if seq is None else seq
        part = self.parts[component] if component else next(iter(self.parts.values()))
        manifest = part.manifests[version]
        size, digest = len(manifest_bytes(manifest)), part.digest(version)
        plain = Wish(assignment, part.name, self._seq, Intent.UPDATE, digest, size, note_of(manifest))
        return replace(plain, **changes)  # type: ignore[arg-type]

    def joint(self, version: str, name: str = "set-1", only: Sequence[str] = ()) -> tuple[Wish, ...]:
        """Wishes for this version of every component, or of `only` some, as one set in the order of the components."""
        parts = [self.parts[each] for each in only or self.parts]
        joint = JointSet(name, tuple((part.name, part.digest(version)) for part in parts))
        return tuple(self.wish(version, f"{p.name}-1", component=p.name, joint=joint) for p in parts)

    def assign(
        self, *wishes: Wish, refusals: tuple[Refusal, ...] = (), epoch: int = 0, halted: tuple[str, ...] = ()
    ) -> bytes:
        """Make the server serve a bundle that decides this; return it."""
        version = len(self.trust.decisions) + 1
        bundle = f"bundle {version}".encode()
        none = MetadataVersions()
        self.trust.decisions[bundle] = Decision(wishes, refusals, version, none, none, "", epoch, halted)
        self.server.bundle = bundle
        return bundle

    def hands(self, component: str = "") -> Hands:
        part = self.parts[component] if component else next(iter(self.parts.values()))
        return Hands(
            component_dir=part.component_dir,
            boot=part.boot_control,
            slots=part.slots,
            downloader=part.downloader,
            application=part.application,
            health=self.health,
            trials=part.trials,
            clock=self.world,
            reports_dir=self.folder / "reports",
            guard_budget_s=self.guard_budget_s,
            max_starts=self.max_starts,
            data=part.data,
            migrate=part.migrations,
            reboots=part.reboots,
            origin=Origin(self.world.boot_id(), self.reset, self.kernel_tail),
            abilities=self.abilities,
            shadow=self.shadow,
        )

    def start_agent(self, lanes: Lanes | None = None) -> Runner:
        """Start an agent as a process would be: nothing is left of the one before but what it wrote."""
        if self.journal is not None:
            self.journal.close()  # type: ignore[operator]
        stream = (
            "stream-2" if (self.folder / "journal.db").exists() else "stream-1"
        )  # of one that cannot be gone on with
        journal = open_journal(self.folder / "journal.db", lambda: stream)
        journal._db.execute("PRAGMA synchronous = OFF")  # these cuts are not of the machine the tests run on
        self.journal = TrippedJournal(journal, self.world)
        desk, *beside = [self.desk(name) for name in self.parts]
        server = lambda post: Server(post, self.server)  # noqa: E731
        runner = Runner(desk, lanes or InlineLanes(), server, lambda: 0.5, beside)
        runner.start()
        runner.post(Connected())
        return runner

    def desk(self, component: str = "") -> Desk:
        name = component or next(iter(self.parts))
        return Desk(
            rules=Rules("cam-1", "x86-box", name, "0.1"),
            hands=self.hands(name),
            trust=self.trust,
            telemetry=FakeTelemetry(),
            journal=self.journal,  # type: ignore[arg-type]
            seal=lambda kind, payload: identity.seal(kind, payload, KEY),
            new_id=lambda: "nonce",
            instance="instance",
            doctor=lambda: "all is well",
            svn_floor=lambda: 0,
            puller=self.puller,  # type: ignore[arg-type]
        )

    def play(self, runner: Runner, seconds: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Let time pass for an agent, in quarters of a second or, where nothing is due, up to what is next."""
        until = self.world.now + seconds
        while True:
            runner.drain()
            if stop() or self.world.now >= until:
                return
            wait_s = runner.tick()
            idle_s = wait_s if runner._queue.empty() else 0.0
            self.world.now = min(until, self.world.now + max(0.25, idle_s))
            runner.tick()

    def run_until_idle(self, runner: Runner, seconds: float = 900.0) -> None:
        """Let time pass until the attempt ended and the server knows."""

        def ended() -> bool:
            idle = all(record.state is AttemptState.IDLE for record in runner.records)
            newest = max(record.seq for record in runner.records)
            return idle and bool(self.server.outcomes()) and newest >= self._seq

        self.play(runner, seconds, ended)

    def cut_power(self) -> None:
        self.restart(Cause.POWER_CUT)

    def restart(self, cause: Cause) -> None:
        """The machine starts anew, for this reason."""
        for part in self.parts.values():
            part.application.process = None
        self.reset = cause
        self.world.boot += 1


assert probation.needed_s(Suite(release({"run": b""}, probation=QUICK), (FRAME,))) < 60.0
