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

from surefoot_shared.status import AttemptState, Check, Intent, Outcome, Presence, SlotName, SlotState


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


@dataclass(frozen=True)
class MetadataVersions:
    """Versions of the verified metadata a device holds, 0 where it has none."""

    root: int = 0
    timestamp: int = 0
    snapshot: int = 0
    targets: int = 0
    roles: Mapping[str, int] = field(default_factory=dict)


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
    v: int = 1


class EventKind(str, Enum):
    PROGRESS = "progress"
    OUTCOME = "outcome"
    FELL_BACK = "fell_back"
    SECURITY = "security"
    NOTICE = "notice"


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
class Lease:
    """Leave to download now. `valid_s` counts from receipt, because device clocks may be wrong."""

    assignment: str
    sources: tuple[Source, ...]
    valid_s: float
    rate_bytes_per_s: int | None = None
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
    v: int = 1


@dataclass(frozen=True)
class JointSet:
    """Assignments of one device that are activated as one or not at all; the same in each of them, signed in each.

    `id` is new for every try, so that no verdict of an earlier one can be taken for this one's.
    """

    id: str
    members: tuple[tuple[str, str], ...]
    """(component, sha256 of its manifest), in the order in which they are started; they go back the other way."""


@dataclass(frozen=True)
class AssignmentNote:
    """The `custom` object of a director target: the server's wish for one component, signed by the director."""

    device: str
    assignment: str
    component: str
    seq: int
    intent: Intent
    activate: bool = True
    """False: stage and wait for the order to activate."""
    windows: tuple[tuple[str, str], ...] = ()
    """UTC intervals in which the device may switch; empty: any time."""
    joint: JointSet | None = None
    """The set it belongs to, if it does."""
    v: int = 1
