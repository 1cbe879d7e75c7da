"""What the commands read of the API's answers: the fields that are shown, as frozen values; others are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TypeVar

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json

T = TypeVar("T")
Plain = object
"""Any JSON value; a name of its own because an audit entry has a field called `object`."""


@dataclass(frozen=True)
class Token:
    id: str
    expires_at: str
    revoked_at: str | None
    max_uses: int
    uses: int


@dataclass(frozen=True)
class NewToken:
    token: str
    expires_at: str


@dataclass(frozen=True)
class AccessToken:
    id: str
    name: str
    role: str
    scopes: tuple[str, ...]
    owner: str | None
    expires_at: str | None
    revoked_at: str | None


@dataclass(frozen=True)
class Granted:
    scope: str
    role: str


@dataclass(frozen=True)
class User:
    name: str
    grants: tuple[Granted, ...]
    signs_in_by: tuple[str, ...]
    disabled_at: str | None


@dataclass(frozen=True)
class Me:
    name: str
    user: str | None
    grants: tuple[Granted, ...]


@dataclass(frozen=True)
class Enrolment:
    device: str
    hw: str
    way: str
    fingerprint: str
    requested_at: str


@dataclass(frozen=True)
class FactoryCa:
    id: str
    name: str
    auto_approve: bool
    hw: str | None


@dataclass(frozen=True)
class Component:
    component: str
    slot: str | None
    release: str | None
    digest: str | None
    wanted: str | None
    state: str


@dataclass(frozen=True)
class Question:
    """What a device was asked, and its answer once it came."""

    id: str
    answered_at: str | None
    ok: bool | None
    text: str


@dataclass(frozen=True)
class CheckResult:
    """One health check as it stood when a release was reverted."""

    name: str
    required: bool
    result: str
    message: str
    took_s: float = 0.0


@dataclass(frozen=True)
class Report:
    """Why a device went back, in its own words: shown as text, never trusted."""

    check: str | None
    message: str
    log_tail: str
    cause: str
    start: int = 0
    reset_cause: str | None = None
    kernel_tail: str = ""
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True)
class Assignment:
    component: str
    release: str
    intent: str
    rollout: str | None
    state: str
    outcome: str | None
    reason: str | None
    message: str
    offered_at: str
    open: bool
    report: Report | None = None


@dataclass(frozen=True)
class Device:
    id: str
    hw: str
    online: bool
    last_seen_at: str | None
    revoked: bool
    tags: tuple[str, ...]
    attributes: Mapping[str, str]
    attention: str | None
    attention_message: str
    components: tuple[Component, ...]
    assignments: tuple[Assignment, ...] = ()


@dataclass(frozen=True)
class Bundle:
    bundle: str


@dataclass(frozen=True)
class Why:
    sentence: str
    kind: str


@dataclass(frozen=True)
class Tally:
    devices: int


@dataclass(frozen=True)
class Site:
    name: str
    state: str
    devices: int
    online: int
    attention: int
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True)
class Retagged:
    devices: int
    added: int
    removed: int


@dataclass(frozen=True)
class Letter:
    topic: str
    sha256: str
    error: str
    count: int
    last_at: str


@dataclass(frozen=True)
class Packs:
    """What leads from one release to another; from nothing where `from_digest` is empty."""

    from_digest: str
    from_release: str
    state: str
    reason: str
    size_bytes: int
    lacking_bytes: int
    devices: int


@dataclass(frozen=True)
class Release:
    id: str
    counter: int
    svn: int
    hw: tuple[str, ...]
    digest: str
    total_bytes: int
    published_at: str
    published_by: str
    running: int
    notes: str
    packs: tuple[Packs, ...] = ()


@dataclass(frozen=True)
class Cohort:
    name: str
    expression: str
    devices: int
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phase:
    name: str
    selector: str
    state: str
    members: int
    due: int
    busy: int
    waiting: int
    asleep: int
    outcomes: Mapping[str, int]
    bake_s: float
    bake_left_s: float | None
    verdict: str | None
    reason: str
    staged: int = 0


@dataclass(frozen=True)
class Member:
    device: str
    standing: str
    phase: int | None
    state: str | None
    outcome: str | None
    reason: str | None
    message: str = ""


@dataclass(frozen=True)
class RolloutLine:
    """What a list says of one: counts alone."""

    id: str
    release: str
    cohort: str
    state: str
    ended: bool
    reason: str
    phase: int
    members: int
    satisfied: int
    excluded: int
    outcomes: Mapping[str, int]
    waiting: int
    taken_back: int
    halted: bool
    created_at: str
    created_by: str
    acts: tuple[str, ...]

    @property
    def committed(self) -> int:
        return self.outcomes.get("committed", 0)


@dataclass(frozen=True)
class Rollout(RolloutLine):
    phases: tuple[Phase, ...]
    also: tuple[str, ...] = ()

    @property
    def busy(self) -> int:
        return sum(phase.busy for phase in self.phases)


@dataclass(frozen=True)
class Forecast:
    """What a revert would do, in one clause."""

    sentence: str


@dataclass(frozen=True)
class Placed:
    device: str
    hw: str
    reason: str


@dataclass(frozen=True)
class PlannedPhase:
    name: str
    selector: str
    bake_s: float
    members: tuple[Placed, ...]
    trips: Mapping[str, int | None]
    ends_after_s: float | None = None
    waits_for: str = ""
    ends_at: str | None = None


@dataclass(frozen=True)
class Plan:
    release: str
    cohort: str
    salt: str
    total: int
    phases: tuple[PlannedPhase, ...]
    satisfied: tuple[Placed, ...]
    excluded: tuple[Placed, ...]
    at_least_s: float
    max_concurrent: int
    on_fail_halt: bool
    on_fail_committed_devices: str
    strategy: str = "canary"
    limits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditEntry:
    seq: int
    at: str
    actor: str
    action: str
    object: str
    detail: Mapping[str, Plain] = field(default_factory=dict)
    """Plain JSON whose keys depend on the action."""


def many(kind: type[T], answer: Json) -> list[T]:
    """Read a list; raises Invalid where the server sent something else."""
    if not isinstance(answer, list):
        raise Invalid("malformed", "The server did not answer with a list.", "Is it of another version?")
    return [wire.from_json(kind, item) for item in answer]


def when(at: str | None) -> str:
    """A moment in UTC, to the minute."""
    if not at:
        return ""
    moment = datetime.fromisoformat(at.replace("Z", "+00:00")).astimezone(timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def span(seconds: float) -> str:
    """A duration in the policy's own words, roughly: 90s, 12m, 6h, 2d."""
    for unit, size_s in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f}{unit}"
    return f"{seconds:.0f}s"


def size(size_bytes: int) -> str:
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def plain(text: str) -> str:
    """What a device sent, as text: no escape sequence of it reaches the terminal."""
    lines = text.expandtabs().splitlines()
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines)
