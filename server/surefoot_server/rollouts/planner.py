"""Decide who is in which phase, and who is left out and why; pure, and the same each time it is asked.

Promises: membership depends on the device, the rollout's salt and nothing that changes by the hour; the first
percentage phase holds at least one device of every hardware, and each phase every site by its share; every device of
the cohort is in a phase, satisfied, or excluded with a reason. An empty phase stays in the plan, visibly empty.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    site: str = ""
    zone: str = ""
    lab: bool = False
    unfit: str = ""
    """Why the set that the release belongs to does not fit it."""
    abilities: frozenset[str] = frozenset()
    """What its agent announces that it can do with the component."""


@dataclass(frozen=True, slots=True)
class Offering:
    """The release as far as membership depends on it."""

    digest: str
    hw: frozenset[str]
    counter: int
    barred: str = ""
    """Why nobody may be sent to it."""
    origin: tuple[str, int] | None = None
    """The oldest release that a device may come from, and its counter."""


class Exclusion(str, Enum):
    WRONG_HARDWARE = "wrong_hardware"
    REVOKED = "revoked"
    ASSIGNED_ELSEWHERE = "assigned_elsewhere"
    NEWER = "newer"
    BARRED = "barred"
    TOO_OLD = "too_old"
    UNABLE = "unable"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Placed:
    device: str
    hw: str
    reason: str
    site: str = ""
    zone: str = ""


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
    excluded = [e for c in candidates if (e := _excluded(c, offering, policy)) is not None]
    out = {e.device for e in excluded}
    satisfied = [c for c in candidates if c.device not in out and c.running == offering.digest]
    done = {c.device for c in satisfied}
    rest = sorted((c for c in candidates if c.device not in out | done), key=lambda c: rank(c.device, salt))
    members = _pin(policy, rest)
    _climb(policy, [c for c in rest if not c.selected], members, salt)
    phases = []
    for index, phase in enumerate(policy.phases):
        trips = tuple((o.metric.value, trip_count(len(members[index]), o)) for o in policy.gate.objectives)
        phases.append(PlannedPhase(phase.name, phase.selector, phase.bake_s, tuple(members[index]), trips))
    happy = tuple(Placed(c.device, c.hw, "already runs the release") for c in satisfied)
    return Plan(tuple(phases), happy, tuple(excluded))


def rank(device: str, salt: str) -> bytes:
    """The device's place in the queue of this rollout; another salt makes other canaries."""
    return hashlib.sha256(f"{salt}\x00{device}".encode()).digest()


def _excluded(candidate: Candidate, offering: Offering, policy: Policy) -> Excluded | None:
    def out(kind: Exclusion, reason: str) -> Excluded:
        return Excluded(candidate.device, candidate.hw, kind, reason)

    if candidate.revoked:
        return out(Exclusion.REVOKED, "its certificate is revoked")
    if candidate.hw not in offering.hw:
        return out(Exclusion.WRONG_HARDWARE, f"the release is not made for {candidate.hw}")
    if candidate.claimed_by is not None:
        return out(Exclusion.ASSIGNED_ELSEWHERE, f"rollout {candidate.claimed_by} is still at work on it")
    if offering.barred:
        return out(Exclusion.BARRED, offering.barred)
    if (why := too_old(candidate.running_counter, offering.origin)) and candidate.running != offering.digest:
        return out(Exclusion.TOO_OLD, why)
    newer = candidate.running_counter is not None and candidate.running_counter > offering.counter
    if newer and policy.intent is not Intent.DOWNGRADE:
        return out(Exclusion.NEWER, "it runs a newer release; `intent: downgrade` would take it back")
    if candidate.unfit:
        return out(Exclusion.SET, candidate.unfit)
    needed = policy.strategy.ability
    if needed is not None and needed.value not in candidate.abilities:
        return out(Exclusion.UNABLE, f"its agent does not announce that it can {needed.value}")
    return None


def too_old(running: int | None, origin: tuple[str, int] | None) -> str:
    """Why a device that runs this may not be offered the release, "" where it may."""
    if origin is None or (running is not None and running >= origin[1]):
        return ""
    if running is None:
        return f"the server does not know that it runs {origin[0]} or newer, which must come first"
    return f"it runs something older than {origin[0]}, which must come first"


def _pin(policy: Policy, rest: Sequence[Candidate]) -> list[list[Placed]]:
    """Put each device into the first phase whose `select` it matches."""
    members: list[list[Placed]] = [[] for _ in policy.phases]
    for candidate in rest:
        if candidate.selected:
            index = min(candidate.selected)
            reason = f"matches {policy.phases[index].selector}"
            members[index].append(_place(candidate, reason))
    return members


def _climb(policy: Policy, rest: Sequence[Candidate], members: list[list[Placed]], salt: str) -> None:
    """Fill the percentage phases, each hardware by its own share."""
    strata = {hw: _spread(queue, salt) for hw, queue in _by(rest, lambda c: c.hw).items()}
    taken = dict.fromkeys(strata, 0)
    for index, upto in shares(policy, {hw: len(queue) for hw, queue in strata.items()}):
        phase = policy.phases[index]
        for hw in sorted(strata):
            for candidate in strata[hw][taken[hw] : upto[hw]]:
                place = "lab devices come first" if candidate.lab else f"its place among {hw} by hash"
                members[index].append(_place(candidate, f"{place}, within {phase.selector}"))
        taken = upto


def shares(policy: Policy, queues: Mapping[str, int]) -> Iterator[tuple[int, dict[str, int]]]:
    """For each percentage phase: how many of each hardware are in it or before it, of queues of this length.

    A share is rounded up, so the first phase holds one of each hardware.
    """
    taken = dict.fromkeys(queues, 0)
    for index, phase in enumerate(policy.phases):
        if phase.percent is None:
            continue
        share = Fraction(str(phase.percent)) / 100
        upto = {hw: max(taken[hw], math.ceil(share * length)) for hw, length in queues.items()}
        _fill_up(upto, taken, queues, phase.min_devices)
        yield index, dict(upto)
        taken = upto


def _place(candidate: Candidate, reason: str) -> Placed:
    return Placed(candidate.device, candidate.hw, reason, candidate.site, candidate.zone)


def _by(rest: Sequence[Candidate], key: Callable[[Candidate], str]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for candidate in rest:
        found.setdefault(key(candidate), []).append(candidate)
    return found


def _spread(queue: Sequence[Candidate], salt: str) -> list[Candidate]:
    """Put lab devices first, then everyone so that any first part holds each site by its share.

    Each site's devices stand at equal distances, from a start that the salt chooses: so small sites are drawn as often
    as their share says, and others each time.
    """
    places: dict[str, float] = {}
    for site, devices in _by(queue, lambda c: c.site).items():
        start = int.from_bytes(rank(site, salt)[:8], "big") / 2**64
        places |= {c.device: (i + start) / len(devices) for i, c in enumerate(devices)}
    return sorted(queue, key=lambda c: (not c.lab, places[c.device], rank(c.device, salt)))


def _fill_up(upto: dict[str, int], taken: Mapping[str, int], queues: Mapping[str, int], minimum: int) -> None:
    """Let the phase grow to its minimum, always by the hardware with the largest share still waiting."""
    while sum(upto.values()) - sum(taken.values()) < minimum:
        hw = max(sorted(queues), key=lambda h: (queues[h] - upto[h]) / queues[h], default=None)
        if hw is None or upto[hw] >= queues[hw]:
            return
        upto[hw] += 1
