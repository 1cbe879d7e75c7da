"""The seams of the agent: the values that cross them and the Protocols behind which the device's hands stand.

Each port has a real adapter and a simulated one, and both pass the same tests (STYLE 16). Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

from surefoot_agent.comparison import Step
from surefoot_agent.guard import AppSpec
from surefoot_agent.wishes import Decision as Decision
from surefoot_agent.wishes import Refusal as Refusal
from surefoot_agent.wishes import Wish as Wish
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease, MetadataVersions, Sample, ShadowTerms
from surefoot_shared.release import HealthCheck, Manifest, Probation, SlotKind, TargetNote
from surefoot_shared.status import Check, SlotName, SlotState
from surefoot_shared.trust.age import Old


class Trust(Protocol):
    """Verifies in a short-lived child process; raises UntrustedRelease, changes only its own metadata folder."""

    def decide(self, bundle: bytes) -> Decision: ...
    def halt(self, metadata: bytes) -> tuple[int, tuple[str, ...], int]: ...
    def versions(self) -> tuple[MetadataVersions, MetadataVersions]: ...
    def committed(self, note: TargetNote, digest: str) -> None:
        """Raise the floors: called once a release has proved itself healthy and is committed."""

    def grown_old(self, system_now: datetime) -> Sequence[Old]:
        """What a person should know of, because nothing newer was signed for too long."""


class Counts(str, Enum):
    """What uses up one of the starts that a trial was granted."""

    NOTHING = "nothing"
    """Nobody counts here: the guard's budget and the journal's count of starts are the only bounds."""
    EVERY_START = "every_start"
    """Each start of the machine, one after a power cut or ordered by a person too."""


@dataclass(frozen=True)
class Capabilities:
    """What a way of booting can do, for whoever plans with it; fixed for one configuration."""

    needs_restart: bool
    """A slot is entered by a restart of the machine; otherwise moving the link is the switch."""
    counts: Counts
    tries: int | None
    """Starts that one arming grants; None where nothing is counted, or only somebody else knows the number."""
    one_shot: bool = False
    """A trial is forgotten once it was entered: whatever ends that start leads back."""
    survives_power: bool = True
    """The count outlives a cold start."""
    obeys_marks: bool = True
    """It never falls back, by itself, to a slot that is marked bad or empty."""


@dataclass(frozen=True)
class BootTrial:
    """What boot control knows of a trial."""

    slot: SlotName | None = None
    """The slot on trial: armed, or entered and neither committed nor left."""
    tries_left: int | None = None
    """Starts that would still enter it; None where that cannot be said."""
    gave_up: SlotName | None = None
    """The slot that was left without anybody's order, since the last arming, commit or set_primary."""
    known: bool = True
    """False where boot control keeps no note of trials, so that `slot` says nothing."""


class SlotControl(Protocol):
    """The verbs of RAUC's custom boot backends. Every write is durable when the call returns, and may be repeated."""

    def current(self) -> SlotName:
        """The slot that really runs now (for a directory slot: where the link points)."""

    def primary(self) -> SlotName:
        """The slot that the next start will enter."""

    def set_primary(self, slot: SlotName) -> None:
        """Enter `slot` from now on, no trial: the way back. States are left as they are."""

    def state(self, slot: SlotName) -> SlotState: ...
    def set_state(self, slot: SlotName, state: SlotState) -> None:
        """Mark a slot. Where the switch needs a restart, bad and empty take back a trial of that slot."""


class TrialControl(Protocol):
    """The verbs that RAUC has no words for; the same promises."""

    def arm_trial(self, slot: SlotName) -> None:
        """Make the next start enter `slot` on trial, its state as it is, every try anew.

        Read `primary()` back: a switch may silently not take.
        """

    def trial(self) -> BootTrial: ...
    def commit(self, slot: SlotName) -> None:
        """Make `slot` good and the one to enter from now on, and end its trial; at each start of a committed slot too.

        A bootloader that counts gets its count reset; nothing is written where nothing changes.
        """

    def capabilities(self) -> Capabilities: ...


class BootControl(SlotControl, TrialControl, Protocol):
    """What says which slot is entered next. Reads and writes raise InstallFailed(boot_control_failed)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is fetched in one go: the bytes from `begin` to `end` of the blob `sha256`, which has `blob_bytes`.

    `name` is for people and errors; `chunk` is what the slot knows the piece by, if not by its name.
    """

    name: str
    sha256: str
    blob_bytes: int
    begin: int
    end: int
    chunk: int = 0

    @property
    def size_bytes(self) -> int:
        return self.end - self.begin


Bytes = Callable[[int], Iterable[bytes]]
"""A source of one piece: yields the blob's bytes from the offset it is given to the piece's end, and never more."""


class SlotContents(Protocol):
    """What the two slots of one component hold."""

    @property
    def kind(self) -> SlotKind: ...
    def path(self, slot: SlotName) -> Path:
        """The folder of a tree, the device of an image."""

    def installed(self, slot: SlotName) -> Manifest | None:
        """The manifest of a slot that was written whole and sealed, else None."""

    def signed(self, slot: SlotName) -> bytes | None:
        """The same as the bytes that were signed."""

    def digest(self, slot: SlotName) -> str | None: ...
    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        """Raise InstallFailed(no_space) unless the release fits, before the first byte is written."""


class SlotWriter(Protocol):
    """How a slot is filled: begin, then for each piece that is missing reuse and write, then seal."""

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        """Unseal the slot, drop what the manifest does not list, keep what already matches (resume)."""

    def missing(self, slot: SlotName) -> Sequence[Piece]:
        """What is still to be written."""

    def reuse(self, slot: SlotName, piece: Piece) -> Sequence[Piece]:
        """Put in place what this device holds already, verified first; return what is left to be fetched."""

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        """Write one piece, every hash checked before its bytes count; an interrupted one goes on where it stopped.

        What was written stays when `source` raises. Raises InstallFailed(artifact_corrupt) where a hash differs.
        """

    def seal(self, slot: SlotName) -> None:
        """Read everything back from the medium, verify every hash, mark whole; raises InstallFailed(slot_corrupt)."""

    def clear(self, slot: SlotName) -> None: ...


class Slots(SlotContents, SlotWriter, Protocol):
    """The two copies of one component."""


@runtime_checkable
class ReadsBack(Protocol):
    """Slots whose content this process can read, file by file."""

    def damage(self, slot: SlotName) -> str | None:
        """Say what of a sealed release is missing or not as it was signed, None where all of it is right."""


@runtime_checkable
class OnlyPlace(Protocol):
    """Slots of which one may be given up before the other is filled."""

    def room_for_one(self, size_bytes: int, inodes: int) -> None:
        """Raise InstallFailed(no_space) unless the release fits once both slots are empty."""


@runtime_checkable
class TakesFiles(Protocol):
    """Slots into which a file can be moved, so that it needs no room a second time."""

    def take(self, slot: SlotName, piece: Piece, file: Path) -> None:
        """Move a file in as what is here of a piece, for `write` to go on with; from another disk it is not moved."""


class Changed(InstallFailed):
    """What a source sends now is another version than what came before: that piece is begun anew."""


Progress = Callable[[int, int], None]
"""(bytes in place, bytes in all); called now and then while downloading."""
Say = Callable[[str], None]
"""A sentence for people: which way a release comes, and which way failed."""


def silent(_sentence: str) -> None:
    """For whoever does not listen."""


def never() -> bool:
    """For what nobody stops."""
    return False


class Downloader(Protocol):
    """Fills a slot from the cheapest source that works. Raises Unreachable (retry) or InstallFailed (give up)."""

    def manifest(self, wish: Wish, lease: Lease, stop: Callable[[], bool] = never) -> bytes: ...
    def fill(
        self,
        wish: Wish,
        manifest: Manifest,
        slot: SlotName,
        lease: Lease,
        progress: Progress,
        stop: Callable[[], bool],
        say: Say = silent,
    ) -> None: ...
    def forget(self) -> None:
        """Drop what is on its way outside the slots: the attempt is over."""


@dataclass(frozen=True)
class Running:
    """The application's process, as the kernel shows it."""

    start_id: str
    """New for every start: the activation id of a directory slot."""
    pid: int
    slot: SlotName
    executable: str
    directory: str
    uptime_s: float


class ApplicationControl(Protocol):
    """Starts, stops and owns what runs from a slot, by slot and pid; survives the agent's death.

    An application is a process; of a root filesystem it is the machine itself, and the agent's own root.
    """

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        """Start what is in the slot; None: the slot was filled by somebody else, and only a root starts without."""

    def stop(self) -> None: ...
    def running(self) -> Running | None:
        """What lives, adopted after a restart of the agent, proved by the kernel to run from its slot."""

    def tend(self) -> None:
        """Restart a dead application with back-off; called about once a second."""

    def spec(self, slot: SlotName, manifest: Manifest) -> AppSpec | None:
        """What `start` would start; stored in the trial so that the guard can bring it back without the agent.

        None where the way back is a restart of the machine.
        """

    def log_tail(self, lines: int = 40) -> str: ...
    def endpoint(self) -> Mapping[str, str]:
        """Values for `{…}` in check urls: metrics_port."""


@runtime_checkable
class Stepped(Protocol):
    """An application that does not only start and stop: entering and leaving takes calls, the last at the commit."""

    takes_s: float
    """Seconds that the way there and back may take beside the probation."""

    def finish(self, slot: SlotName) -> None:
        """What only a commit may do, before boot control marks the slot; raises InstallFailed, and is undone then."""


class ShadowControl(Protocol):
    """Runs a staged release beside the live one; `key` is the attempt."""

    def step(self, key: tuple[str, int], terms: ShadowTerms, slot: SlotName, manifest: Manifest) -> Step: ...
    def end(self, key: tuple[str, int]) -> None:
        """Stop it, and never start one of this attempt again."""

    def stop(self) -> None: ...
    def samples(self, at: str, component: str) -> Sequence[Sample]: ...


@dataclass(frozen=True)
class CheckResult:
    name: str
    required: bool
    result: Check
    message: str
    measured: Mapping[str, float] = field(default_factory=dict)
    took_s: float = 0.0
    output: str = ""
    """The last of what a program or a page said."""
    broken: tuple[str, ...] = ()
    """The parts that failed, of a check whose parts (streams, programs) stand or fall by themselves."""
    parts: tuple[CheckResult, ...] = ()
    """Results of the programs of a folder."""


@dataclass(frozen=True)
class Suite:
    """What judges a release on this device: its own signed checks, then those of the device's configuration."""

    manifest: Manifest
    checks: tuple[HealthCheck, ...]

    @property
    def probation(self) -> Probation:
        return self.manifest.probation


class Health(Protocol):
    """Runs every check of a suite once; no check stops another, each has its timeout."""

    def suite(self, manifest: Manifest) -> Suite:
        """Put the device's own checks beside those of the release, as the device is configured now."""

    def run(
        self, suite: Suite, baseline: Mapping[str, float], only: Collection[str] | None = None
    ) -> Sequence[CheckResult]:
        """Run the checks named in `only`, by default all; `probation.due` says which are due."""

    def baseline(self, manifest: Manifest) -> Mapping[str, float]:
        """Measure what runs now, just before an update."""


class Telemetry(Protocol):
    def sample(self, component: str, digest: str | None, slot: SlotName | None) -> Sequence[Sample]: ...
