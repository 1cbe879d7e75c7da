"""Decide who is in which phase, and who is left out and why; pure, and the same each time it is asked.

Promises: membership depends on the device, the rollout's salt and nothing that changes by the hour; the first
percentage phase holds at least one device of every hardware; every device of the cohort is in a phase, satisfied, or
excluded with a reason. An empty phase stays in the plan, visibly empty.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from surefoot_server.rollouts.judge import trip_count
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.status import Intent


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device of the cohort. `selected` holds the indices of phases whose `select` it matches."""

    device: str
    hw: str
    revoked: bool = False
    running: str | None = None
    """Digest that runs."""
    running_counter: int | None = None
    claimed_by: str | None = None
    """A rollout of the same component that is not at its end."""
    selected: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Offering:
    """The release as far as membership depends on it."""

    digest: str
    hw: frozenset[str]
    counter: int


class Exclusion(str, Enum):
    WRONG_HARDWARE = "wrong_hardware"
    REVOKED = "revoked"
    ASSIGNED_ELSEWHERE = "assigned_elsewhere"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Placed:
    device: str
    hw: str
    reason: str


@dataclass(frozen=True, slots=True)
class Excluded:
    device: str
    hw: str
    kind: Exclusion
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """`trips` is the count of each outcome that fails a phase of this size, None where none does."""

    name: str
    selector: str
    bake_s: float
    members: tuple[Placed, ...]
    trips: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    phases: tuple[PlannedPhase, ...]
    satisfied: tuple[Placed, ...]
    excluded: tuple[Excluded, ...]

    @property
    def total(self) -> int:
        return sum(len(p.members) for p in self.phases)


def plan(policy: Policy, offering: Offering, candidates: Sequence[Candidate], salt: str) -> Plan:
    """Sort the cohort into phases: pinned devices first, then the percent ladder over the rest."""
    excluded = [e for c in candidates if (e := _excluded(c, offering, policy.intent)) is not None]
    out = {e.device for e in excluded}
    satisfied = [c for c in candidates if c.device not in out and c.running == offering.digest]
    done = {c.device for c in satisfied}
    rest = sorted((c for c in candidates if c.device not in out | done), key=lambda c: rank(c.device, salt))
    members = _pin(policy, rest)
    _climb(policy, [c for c in rest if not c.selected], members)
    phases = []
    for index, phase in enumerate(policy.phases):
        trips = tuple((o.metric.value, trip_count(len(members[index]), o)) for o in policy.gate.objectives)
        phases.append(PlannedPhase(phase.name, phase.selector, phase.bake_s, tuple(members[index]), trips))
    happy = tuple(Placed(c.device, c.hw, "already runs the release") for c in satisfied)
    return Plan(tuple(phases), happy, tuple(excluded))


def rank(device: str, salt: str) -> bytes:
    """The device's place in the queue of this rollout; another salt makes other canaries."""
    return hashlib.sha256(f"{salt}\x00{device}".encode()).digest()


def _excluded(candidate: Candidate, offering: Offering, intent: Intent) -> Excluded | None:
    def out(kind: Exclusion, reason: str) -> Excluded:
        return Excluded(candidate.device, candidate.hw, kind, reason)

    if candidate.revoked:
        return out(Exclusion.REVOKED, "its certificate is revoked")
    if candidate.hw not in offering.hw:
        return out(Exclusion.WRONG_HARDWARE, f"the release is not made for {candidate.hw}")
    if candidate.claimed_by is not None:
        return out(Exclusion.ASSIGNED_ELSEWHERE, f"rollout {candidate.claimed_by} is still at work on it")
    newer = candidate.running_counter is not None and candidate.running_counter > offering.counter
    if newer and intent is not Intent.DOWNGRADE:
        return out(Exclusion.NEWER, "it runs a newer release; `intent: downgrade` would take it back")
    return None


def _pin(policy: Policy, rest: Sequence[Candidate]) -> list[list[Placed]]:
    """Put each device into the first phase whose `select` it matches."""
    members: list[list[Placed]] = [[] for _ in policy.phases]
    for candidate in rest:
        if candidate.selected:
            index = min(candidate.selected)
            reason = f"matches {policy.phases[index].selector}"
            members[index].append(Placed(candidate.device, candidate.hw, reason))
    return members


def _climb(policy: Policy, rest: Sequence[Candidate], members: list[list[Placed]]) -> None:
    """Fill the percentage phases, each hardware by its own share rounded up: so the first holds one of each."""
    strata: dict[str, list[Candidate]] = {}
    for candidate in rest:
        strata.setdefault(candidate.hw, []).append(candidate)
    taken = dict.fromkeys(strata, 0)
    for index, phase in enumerate(policy.phases):
        if phase.percent is None:
            continue
        share = Fraction(str(phase.percent)) / 100
        upto = {hw: max(taken[hw], math.ceil(share * len(queue))) for hw, queue in strata.items()}
        _fill_up(upto, taken, strata, phase.min_devices)
        for hw in sorted(strata):
            for candidate in strata[hw][taken[hw] : upto[hw]]:
                reason = f"its place among {hw} by hash is within {phase.selector}"
                members[index].append(Placed(candidate.device, hw, reason))
        taken = upto


def _fill_up(upto: dict[str, int], taken: dict[str, int], strata: dict[str, list[Candidate]], minimum: int) -> None:
    """Let the phase grow to its minimum, always by the hardware with the largest share still waiting."""
    while sum(upto.values()) - sum(taken.values()) < minimum:
        hw = max(sorted(strata), key=lambda h: (len(strata[h]) - upto[h]) / len(strata[h]), default=None)
        if hw is None or upto[hw] >= len(strata[hw]):
            return
        upto[hw] += 1
