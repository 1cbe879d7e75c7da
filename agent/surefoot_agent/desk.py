"""What the agent says when it is asked or greets: hello, samples, and answers to the server's typed requests.

Promises: claims only what is proved to run; a part that cannot be read is left out, never guessed. Answers are text for
people and are cut to what one message carries. Decides nothing and changes nothing but the number of the hello.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from surefoot_agent import report, sight
from surefoot_agent.clock import stamp
from surefoot_agent.holds import Moment
from surefoot_agent.journal import Journal, StoredFacts
from surefoot_agent.ports import Telemetry, Trust
from surefoot_agent.pull import Puller
from surefoot_agent.record import Record
from surefoot_agent.renew import Renewal
from surefoot_agent.sight import Hands
from surefoot_agent.status import Status, status_of
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError
from surefoot_shared.identity import SealKind
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
from surefoot_shared.status import SlotName

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
class Sighting:
    """What a look around the device showed."""

    slots: Mapping[SlotName, SlotReport]
    proof: RunningProof | None
    image: MetadataVersions
    director: MetadataVersions
    svn_floor: int


@dataclass(frozen=True)
class Desk:
    """`instance` is this process; `doctor` is the text of `surefoot-agent doctor`."""

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

    def look_around(self) -> Sighting:
        """Read slots, process and metadata; runs where trust's files do not change meanwhile."""
        try:
            image, director = self.trust.versions()
        except SurefootError:
            image = director = MetadataVersions()  # the server then sends everything, which is what helps
        slots, proof = sight.slot_reports(self.hands), sight.seen(self.hands)
        return Sighting(slots, proof, image, director, self.svn_floor())

    def hello(self, record: Record, seen: Sighting) -> bytes:
        """Return the sealed hello, numbered by the journal."""
        clock = self.hands.clock
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
            components=(report.component_report(record, seen.slots, seen.proof),),
            image=seen.image,
            director=seen.director,
            halt_epoch=record.halt_epoch,
            svn_floor=seen.svn_floor,
            trials_reported=record.trials,
        )
        return wire.encode(self.seal(SealKind.HELLO, wire.encode(hello)))

    def sample(self) -> Sequence[Sample]:
        proof = sight.seen(self.hands)
        digest, slot = (proof.digest, proof.slot) if proof else (None, None)
        return self.telemetry.sample(self.rules.component, digest, slot)

    def answer(self, request: Request, status: Status) -> bytes:
        """Return the response; a question that cannot be answered gets the reason."""
        try:
            ok, text = True, self._text(request, status)
        except (SurefootError, OSError) as error:
            ok, text = False, str(error)
        cut = text.encode()[-ANSWER_BYTES:].decode(errors="replace")
        return wire.encode(Response(request.id, ok, cut))

    def status(self, record: Record) -> Status:
        folder, journal = self.hands.component_dir, self.journal
        clock = self.hands.clock
        facts = StoredFacts(record, journal.locked(), journal.waiting_count(), journal.held_back(record.component))
        now = Moment(clock.monotonic(), clock.boot_id(), stamp(clock.utc()))
        return status_of(facts, folder, now, clock.utc(), journal.readable)

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
