"""What the agent says when it is asked or greets: hello, samples, and answers to the server's typed requests.

Promises: claims only what is proved to run; a part that cannot be read is left out, never guessed. Answers are text for
people and are cut to what one message carries. Decides nothing and changes nothing but the number of the hello.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from surefoot_agent import guard, report, sight
from surefoot_agent.clock import stamp
from surefoot_agent.holds import Moment
from surefoot_agent.journal import Journal, StoredFacts
from surefoot_agent.ports import Telemetry, Trust
from surefoot_agent.pull import Puller
from surefoot_agent.record import Record
from surefoot_agent.renew import Renewal
from surefoot_agent.sight import Hands
from surefoot_agent.status import Status, status_of
from surefoot_agent.witness import Witness
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import (
    Hello,
    MetadataVersions,
    Request,
    RequestKind,
    Response,
    RunningProof,
    Sample,
    Sealed,
    SlotReport,
)
from surefoot_shared.seals import SealKind
from surefoot_shared.status import Ability, SlotName

ANSWER_BYTES = 128 * 1024
"""Half of what the broker lets through: JSON escapes control characters."""


@dataclass(frozen=True)
class Rules:
    """Who this agent is and how often it speaks."""

    device: str
    hw: str
    component: str
    agent: str
    telemetry_interval_s: float = 10.0
    telemetry_keep: int = 20_000
    heartbeat_interval_s: float = 300.0
    https_interval_s: float = 900.0
    lock_max_s: float = 3600.0
    defer_max_s: float = 14_400.0


@dataclass(frozen=True)
class Look:
    """What one component showed."""

    slots: Mapping[SlotName, SlotReport]
    proof: RunningProof | None
    abilities: frozenset[Ability] = frozenset()


@dataclass(frozen=True)
class Sighting:
    """What a look around the device showed."""

    components: Mapping[str, Look]
    image: MetadataVersions
    director: MetadataVersions
    svn_floor: int

    def digest(self, component: str) -> str | None:
        """The digest that ran of a component, None where nothing was proved to run."""
        proof = self.components[component].proof
        return proof.digest if proof else None


@dataclass(frozen=True)
class Desk:
    """One component's; journal, trust, seal and the rest of the device's are the same on each of its desks.

    `instance` is this process; `doctor` is the text of `surefoot-agent doctor`."""

    rules: Rules
    hands: Hands
    trust: Trust
    telemetry: Telemetry
    journal: Journal
    seal: Callable[[SealKind, bytes], Sealed]
    new_id: Callable[[], str]
    instance: str
    doctor: Callable[[], str]
    svn_floor: Callable[[], int]
    puller: Puller | None = None
    """Where the broker cannot be reached; None: never ask over HTTPS."""
    renewal: Renewal | None = None
    """None: the identity stays as it is."""
    witness: Witness = field(default_factory=Witness)

    def look(self) -> Look:
        return Look(sight.slot_reports(self.hands), sight.seen(self.hands), self.hands.abilities)

    def look_around(self, others: Sequence[Desk] = ()) -> Sighting:
        """Read slots, processes and metadata; runs where trust's files do not change meanwhile."""
        try:
            image, director = self.trust.versions()
        except SurefootError:
            image = director = MetadataVersions()  # the server then sends everything, which is what helps
        looks = {desk.rules.component: desk.look() for desk in (self, *others)}
        return Sighting(looks, image, director, max(desk.svn_floor() for desk in (self, *others)))

    def hello(self, records: Sequence[Record], seen: Sighting) -> bytes:
        """Return the sealed hello, numbered by the journal."""
        clock, looks = self.hands.clock, [(record, seen.components[record.component]) for record in records]
        hello = Hello(
            device=self.rules.device,
            seq=self.journal.next_hello(),
            nonce=self.new_id(),
            stream=self.journal.stream,
            instance=self.instance,
            boot_id=clock.boot_id(),
            at=stamp(clock.utc()),
            clock_source=clock.source(),
            agent=self.rules.agent,
            hw=self.rules.hw,
            components=tuple(
                report.component_report(record, look.slots, look.proof, look.abilities) for record, look in looks
            ),
            image=seen.image,
            director=seen.director,
            halt_epoch=min(record.halt_epoch for record in records),
            svn_floor=seen.svn_floor,
            trials_reported=sum(record.trials for record in records),
            audit=self.witness.kept,
        )
        return wire.encode(self.seal(SealKind.HELLO, wire.encode(hello)))

    def sample(self) -> Sequence[Sample]:
        proof = sight.seen(self.hands)
        digest, slot = (proof.digest, proof.slot) if proof else (None, None)
        told = self.telemetry.sample(self.rules.component, digest, slot)
        beside = (
            self.hands.shadow.samples(stamp(self.hands.clock.utc()), self.rules.component) if self.hands.shadow else ()
        )
        return [*told, *beside]

    def answer(self, request: Request, statuses: Sequence[Status], others: Sequence[Desk] = ()) -> bytes:
        """Return the response; a question that cannot be answered gets the reason.

        `statuses` are of every component of the device, this one's first, in the order of `others`.
        """
        try:
            parts = [(desk, status) for desk, status in zip((self, *others), statuses, strict=True)]
            about = parts[:1] if request.kind is RequestKind.DOCTOR else parts  # it looks at the whole node
            texts = [(status.component, desk._text(request, status)) for desk, status in about]
            ok, text = True, texts[0][1] if len(texts) == 1 else "\n".join(f"[{name}]\n{said}" for name, said in texts)
        except (SurefootError, OSError) as error:
            ok, text = False, str(error)
        cut = text.encode()[-ANSWER_BYTES:].decode(errors="replace")
        return wire.encode(Response(request.id, ok, cut))

    def status(self, record: Record) -> Status:
        folder, journal = self.hands.component_dir, self.journal
        clock = self.hands.clock
        facts = StoredFacts(record, journal.locked(), journal.waiting_count(), journal.held_back(record.component))
        now = Moment(clock.monotonic(), clock.boot_id(), stamp(clock.utc()))
        own = None if guard.current_slot(folder) else lambda: self.hands.boot  # the link, where there is one
        return status_of(facts, folder, now, clock.utc(), journal.readable, own)

    def stamp(self) -> report.Stamp:
        """What every event of this moment carries."""
        clock = self.hands.clock
        return report.Stamp(self.rules.device, self.journal.stream, stamp(clock.utc()), clock.boot_id())

    def _text(self, request: Request, status: Status) -> str:
        match request.kind:
            case RequestKind.LOGS:
                return self.hands.application.log_tail(max(1, min(request.lines, 5000)))
            case RequestKind.DIAGNOSTICS:
                return wire.encode(status).decode()
            case RequestKind.DOCTOR:
                return self.doctor()
