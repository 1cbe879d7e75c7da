"""Every MQTT payload, both directions, typed and versioned; the golden files in tests/shared/golden/ pin their bytes.

Promises: values are frozen; `surefoot_shared.wire.encode` and `decode` are the only way to bytes and back. Hello, event
and token request travel in a `Sealed` envelope signed with the device's key (`surefoot_shared.identity`); the bundle
and the halt list carry TUF metadata and are proved by `surefoot_shared.trust`.
Times: `at` is UTC, ISO 8601, as the sender's clock says it, and may be wrong; durations end in `_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from surefoot_shared import wire
from surefoot_shared.notes import AssignmentNote as AssignmentNote
from surefoot_shared.notes import JointSet as JointSet
from surefoot_shared.notes import MetadataVersions as MetadataVersions
from surefoot_shared.notes import ShadowTerms as ShadowTerms
from surefoot_shared.pack import Encoding
from surefoot_shared.status import AttemptState, Check, Outcome, Presence, SlotName, SlotState


@dataclass(frozen=True)
class Sealed:
    """`payload` is the exact text that was signed; `signature` is base64 of the device key's signature over it."""

    payload: str
    signature: str
    v: int = 1


@dataclass(frozen=True)
class SlotReport:
    """What one slot holds. `digest` is the sha256 of the release's manifest, None where nothing whole is there."""

    state: SlotState
    release: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class ComponentReport:
    """One component of the device: what runs, from which slot, proved how, and where its attempt stands."""

    component: str
    slot: SlotName | None
    release: str | None
    digest: str | None
    """Digest of what really runs from `slot`, or None when nothing does; never merely what is installed."""
    slots: Mapping[str, SlotReport]
    state: AttemptState
    assignment: str | None = None
    seq: int = 0
    """Highest assignment seq the device has accepted for this component."""
    previous_kept: bool = True
    """False once the other slot has been overwritten: a late fallback is impossible then."""
    abilities: tuple[str, ...] = field(default=(), metadata=wire.LATER)
    """What the agent can do with this component besides updating it: words of status.Ability, unknown ones kept."""


@dataclass(frozen=True)
class Checkpoint:
    """How far the server's audit trail had come; whoever keeps one can tell whether rows were cut off since."""

    size: int
    head: str
    """The hash of row `size`."""
    at: str
    signature: str
    """base64, of the server's audit key."""
    v: int = 1


@dataclass(frozen=True)
class Hello:
    """Sent on every connect, sealed. `instance` is one agent process, `stream` one journal that numbers events."""

    device: str
    seq: int
    nonce: str
    stream: str
    instance: str
    boot_id: str
    at: str
    clock_source: str
    agent: str
    hw: str
    components: tuple[ComponentReport, ...]
    image: MetadataVersions
    director: MetadataVersions
    halt_epoch: int = 0
    svn_floor: int = 0
    trials_reported: int = 0
    audit: Checkpoint | None = None
    """The longest that the device was told of, said back."""
    v: int = 1


class EventKind(str, Enum):
    PROGRESS = "progress"
    OUTCOME = "outcome"
    FELL_BACK = "fell_back"
    SECURITY = "security"
    NOTICE = "notice"


USABLE_AGAIN = "usable_again"
"""Reason of a notice: what the device told of its settings is over."""


@dataclass(frozen=True)
class RunningProof:
    """Promise 2: the digest that really runs from the new slot, and how the agent knows."""

    digest: str
    slot: SlotName
    pid: int
    executable: str
    directory: str
    marked_good: bool
    soak_s: float


@dataclass(frozen=True)
class CheckReport:
    """The last result of one health check, or of one program of a folder of checks."""

    name: str
    required: bool
    result: Check
    message: str
    took_s: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    output: str = ""
    """The end of what a program or a page said; untrusted: it is shown as text, never as markup."""


@dataclass(frozen=True)
class RevertReport:
    """Why the device went back; written to shared data before it does, delivered by the old slot."""

    check: str | None
    message: str
    log_tail: str
    cause: str
    """power_cut, panic, watchdog, clean_restart, unexplained, application_died, failed_verdict, no_verdict,
    switch_without_effect or ordered."""
    measured: Mapping[str, float] = field(default_factory=dict)
    start: int = 0
    """Which start of the release it was; 0 where it was never started, or by an older agent."""
    reset_cause: str | None = None
    """Why the machine last started anew, None where it did not since the release was started."""
    kernel_tail: str = ""
    """End of the kernel's last words, where the board keeps them (pstore)."""
    checks: tuple[CheckReport, ...] = ()
    """Every check as it stood when the verdict fell, the failing ones first."""


@dataclass(frozen=True)
class Event:
    """One numbered fact, sealed; kept in the outbox until acknowledged. `reason` is a kind of errors.KINDS."""

    device: str
    stream: str
    seq: int
    at: str
    boot_id: str
    kind: EventKind
    component: str | None = None
    assignment: str | None = None
    attempt: int = 0
    state: AttemptState | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    message: str = ""
    progress: float | None = None
    proof: RunningProof | None = None
    report: RevertReport | None = None
    v: int = 1
    full: bool = field(default=False, metadata=wire.LATER)
    """There is no room for two releases: it waits for the order to give up the one it has (recreate)."""
    vacated: bool = field(default=False, metadata=wire.LATER)
    """It gave up the release it had: nothing runs until the new one does, and nothing is left to go back to."""


@dataclass(frozen=True)
class Events:
    events: tuple[Sealed, ...]
    v: int = 1


@dataclass(frozen=True)
class Sample:
    """One measured value; `digest` and `slot` let a series be cut by release. `name` is in metrics.METRICS or free."""

    at: str
    name: str
    value: float
    component: str | None = None
    digest: str | None = None
    slot: SlotName | None = None


@dataclass(frozen=True)
class TelemetryBatch:
    """`batch` numbers rise within a stream; `dropped` counts samples lost to the stated bound so far."""

    device: str
    stream: str
    batch: int
    dropped: int
    samples: tuple[Sample, ...]
    v: int = 1


@dataclass(frozen=True)
class PresenceMessage:
    state: Presence
    instance: str
    v: int = 1


@dataclass(frozen=True)
class Ack:
    """Highest event and telemetry batch of `stream` that are stored for good; cumulative."""

    stream: str
    event: int
    batch: int
    v: int = 1


@dataclass(frozen=True)
class Source:
    """`url` + sha256 is where a blob is; `token` goes into an Authorization header and serves one device."""

    url: str
    token: str


@dataclass(frozen=True)
class Pack:
    """A pack that the server has ready, fetched like any blob. `from_digest` is a release that the device holds.

    Together, the packs of one (from_digest, to_digest) hold all that the one release lacks of the other.
    """

    from_digest: str
    """sha256 of that release's manifest; empty where the pack starts from nothing."""
    to_digest: str
    sha256: str
    size_bytes: int
    encoding: Encoding
    decoded_bytes: int


@dataclass(frozen=True)
class Lease:
    """Leave to download now, and an offer of what to download. `valid_s` counts from receipt: clocks may be wrong.

    Nothing of the offer is signed or believed: it names ways to bytes whose hashes the signed manifest holds.
    """

    assignment: str
    sources: tuple[Source, ...]
    valid_s: float
    rate_bytes_per_s: int | None = None
    v: int = 1
    wait_s: float = field(default=0.0, metadata=wire.LATER)
    """Begin so many seconds after receipt, so that a fleet does not begin at once."""
    encodings: tuple[str, ...] = field(default=(), metadata=wire.LATER)
    """`zstd`: a blob may be there as a zstd frame too, under its name with `.zst` behind it."""
    packs: tuple[Pack, ...] = field(default=(), metadata=wire.LATER)
    """Cheapest first."""
    manifest_packs: tuple[Pack, ...] = field(default=(), metadata=wire.LATER)
    """What makes the manifest itself, whose one base is the manifest that the device holds; cheapest first."""
    mint_url: str = field(default="", metadata=wire.LATER)
    """Where to ask for addresses in the object storage that holds the blobs, which need no token."""
    chunk_bytes: int = field(default=0, metadata=wire.LATER)
    """Above 0: blobs come in chunks of this size over MQTT where they are asked for (`ChunkRequest`)."""


@dataclass(frozen=True)
class ChunkRequest:
    """Chunks of a blob that the device lacks; what several devices lack is sent to all of them at once.

    The device subscribes to the blob's topics first. Chunk n is the bytes from n × `chunk_bytes` on.
    """

    device: str
    sha256: str
    size_bytes: int
    chunk_bytes: int
    missing: str
    """A bitmap in base64; chunk 0 is the highest bit of the first byte, 1 means that it is wanted."""
    v: int = 1


class RequestKind(str, Enum):
    LOGS = "logs"
    DIAGNOSTICS = "diagnostics"
    DOCTOR = "doctor"


@dataclass(frozen=True)
class Request:
    id: str
    kind: RequestKind
    lines: int = 200
    v: int = 1


@dataclass(frozen=True)
class Response:
    """`text` is untrusted: it is shown as text, never as markup."""

    id: str
    ok: bool
    text: str
    v: int = 1


@dataclass(frozen=True)
class TrustHint:
    """Newer metadata exists; a hint only, worth nothing without the metadata itself."""

    image_timestamp: int
    director_root: int
    halt_epoch: int
    audit: Checkpoint | None = None
    """To be kept and said back; nothing that a device does depends on it."""
    v: int = 1
