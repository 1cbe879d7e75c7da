"""What a scenario expects of a run, and whether it was so: pure functions of what was written down.

Promises: each expectation says in one sentence what it asks, and what was found with it; one about something that never
happened is not met by that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from surefoot_shared.status import AFTER_ARMED, AttemptState, Outcome, PhaseState, RolloutState
from surefoot_simulators.world import lives
from surefoot_simulators.world.asked import Expectation, Kind
from surefoot_simulators.world.recording import (
    Answer,
    Ending,
    Met,
    PhasePoint,
    PhaseTally,
    Point,
    RecordedDevice,
    RolloutPoint,
    Told,
)

STOPS = frozenset({RolloutState.FAILED, RolloutState.REVERTING, RolloutState.HALTED, RolloutState.CANCELLED})
STUCK = frozenset({"rescue", "never_connected", "unknown"})
"""Answers that say that nobody knows, or that a person must visit the device."""
MISSING = 3
"""So many devices that should have been there say why they are not."""
SAID_WITHIN_S = 900.0
"""A device's report of a commit may take so long to be stored: outages and slow lines."""


@dataclass(frozen=True)
class Seen:
    """All that expectations are judged by."""

    devices: Sequence[RecordedDevice]
    points: Sequence[Point]
    rollouts: Sequence[RolloutPoint]
    phases: Sequence[PhasePoint]
    tallies: Sequence[PhaseTally]
    endings: Sequence[Ending]
    story: Sequence[Told]
    component: str
    components: Mapping[str, str]
    """Of each release, by its version."""
    seconds: float
    faults: Mapping[str, int]
    bricked: Sequence[str]
    lost_events: Mapping[str, int]
    answers: Sequence[Answer]
    metered_mb: float

    def release(self, version: str) -> str:
        return f"{self.components.get(version, self.component)}/{version}"


def judge(expectation: Expectation, seen: Seen) -> Met:
    """Say whether it was so, and what was found."""
    held, found = JUDGES[expectation.kind](expectation, seen)
    return Met(expectation.words, held, found, expectation.line)


# --- counted ----------------------------------------------------------------------------------------------------------


def _bounded(expectation: Expectation, count: float, names: Sequence[str] = ()) -> tuple[bool, str]:
    held = (expectation.low is None or count >= expectation.low) and (
        expectation.high is None or count <= expectation.high
    )
    named = f": {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}" if names and not held else ""
    return held, f"{count:g}{named}"


def _with_missing(expectation: Expectation, names: Sequence[str], seen: Seen) -> tuple[bool, str]:
    """Bounded; where devices are missing, some of those say why they are not among them, as the server answers it."""
    if expectation.low is None or len(names) >= expectation.low:
        return _bounded(expectation, len(names), names)
    component = seen.components.get(expectation.version, seen.component)
    why = {each.device: each.sentence for each in seen.answers if each.component == component}
    others = [device.name for device in seen.devices if device.name not in names]
    said = " ".join(why[name] for name in others[:MISSING] if name in why)
    return False, f"{len(names)}{': ' if said else ''}{said}"


def _ever_ran(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    names = sorted({point.device for point in seen.points if expectation.version in point.versions})
    return _with_missing(expectation, names, seen)


def _runs_at_end(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    names = sorted(name for name, point in lives.last(seen.points).items() if expectation.version in point.versions)
    return _with_missing(expectation, names, seen)


def _outcomes(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    wanted = seen.release(expectation.version) if expectation.version else ""
    ends = [end for end in seen.endings if wanted in ("", end.release)]
    if not expectation.ever:  # the last word about a device counts
        ends = list({(end.device, end.release, end.rollout): end for end in ends}.values())
    fits = [e.device for e in ends if e.outcome is expectation.outcome and expectation.reason in ("", e.reason)]
    return _with_missing(expectation, sorted(fits), seen)


def _bricked(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    return _bounded(expectation, len(seen.bricked), seen.bricked)


def _lost_events(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    return _bounded(expectation, sum(seen.lost_events.values()), sorted(seen.lost_events))


def _false_success(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    """A commit is told after it: so the device must have run that release in the quarter of an hour before."""
    wrong = []
    runs = lives.spans(seen.points, seen.seconds)
    for end in seen.endings:
        if end.outcome is not Outcome.COMMITTED:
            continue
        since = end.t - SAID_WITHIN_S
        spans = runs.get(end.device, [])
        if not any(
            version == end.release.split("/")[1] and until >= since and a <= end.t for a, until, version in spans
        ):
            wrong.append(end.device)
    return _bounded(expectation, len(wrong), wrong)


def _parted(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    names = lives.parted(seen.points, expectation.versions)
    return _bounded(expectation, len(names), names)


def _unavailable(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    site = {device.name: device.site if expectation.per_site else "" for device in seen.devices}
    away: dict[str, set[str]] = {}
    most = 0
    for point in seen.points:
        here = away.setdefault(site[point.device], set())
        (here.add if point.state in AFTER_ARMED else here.discard)(point.device)
        most = max(most, len(here))
    return _bounded(expectation, most)


def _told(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    return _bounded(expectation, sum(expectation.text in line.text for line in seen.story))


def _unexplained(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    stuck = [f"{each.device} ({each.kind})" for each in seen.answers if not each.sentence or each.kind in STUCK]
    return _bounded(expectation, len(stuck), stuck)


def _answered(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    said = {each.device: each.sentence for each in seen.answers if expectation.text in each.sentence}
    found = [name for name in said if expectation.device in ("", name)]
    if found or not expectation.device:
        return _bounded(expectation, len(found), found)
    mine = [each.sentence for each in seen.answers if each.device == expectation.device]
    return _bounded(expectation, 0)[0], " ".join(mine) or "there is no such device"


def _open(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    names = sorted(
        name
        for name, point in lives.last(seen.points).items()
        if point.state is not AttemptState.IDLE and point.version
    )
    return _bounded(expectation, len(names), names)


def _faults(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    count = sum(n for kind, n in seen.faults.items() if expectation.text in ("", kind))
    return _bounded(expectation, count)


def _metered(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    return _bounded(expectation, round(seen.metered_mb, 1))


# --- states and times -------------------------------------------------------------------------------------------------


def _rollout(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    mine = [point for point in seen.rollouts if point.rollout == f"r{expectation.rollout}"]
    if not mine:
        return False, "it was never started"
    if expectation.within_s:
        times = [point.t for point in mine if point.state.value in expectation.states]
        return bool(times) and times[0] <= expectation.within_s, f"after {times[0]:g} s" if times else mine[
            -1
        ].state.value
    return mine[-1].state.value in expectation.states, mine[-1].state.value


def _phase(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    mine = [p for p in seen.phases if p.rollout == f"r{expectation.rollout}" and p.name == expectation.phase]
    if not mine:
        return False, "there is no such phase"
    return mine[-1].state.value in expectation.states, mine[-1].state.value


def _never_began(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    mine = [p for p in seen.phases if p.rollout == f"r{expectation.rollout}" and p.name == expectation.phase]
    if not mine:
        return False, "there is no such phase"
    states = [p.state for p in mine if p.state is not PhaseState.PENDING]
    return not states, states[0].value if states else "pending"


def _back_within(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    stops = [p.t for p in seen.rollouts if p.rollout == f"r{expectation.rollout}" and p.state in STOPS]
    if not stops:
        return False, "the rollout never stopped"
    deadline = stops[0] + expectation.within_s
    runs = lives.spans(seen.points, seen.seconds)
    late = sorted(
        name
        for name, spans in runs.items()
        if any(version == expectation.version and until > deadline for _, until, version in spans)
    )
    ends = [until for spans in runs.values() for _, until, version in spans if version == expectation.version]
    last = f"the last went back after {max(ends) - stops[0]:g} s" if ends else "nobody ran it"
    return not late and bool(ends), f"{len(late)} devices still did: {', '.join(late[:5])}" if late else last


def _only_ran(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    others = sorted({version for point in seen.points for version in point.versions} - set(expectation.versions))
    return not others, f"also {', '.join(others)}" if others else "nothing else"


JUDGES: Mapping[Kind, Callable[[Expectation, Seen], tuple[bool, str]]] = {
    Kind.EVER_RAN: _ever_ran,
    Kind.RUNS_AT_END: _runs_at_end,
    Kind.ROLLOUT: _rollout,
    Kind.PHASE: _phase,
    Kind.NEVER_BEGAN: _never_began,
    Kind.OUTCOMES: _outcomes,
    Kind.BACK_WITHIN: _back_within,
    Kind.BRICKED: _bricked,
    Kind.LOST_EVENTS: _lost_events,
    Kind.FALSE_SUCCESS: _false_success,
    Kind.ONLY_RAN: _only_ran,
    Kind.PARTED: _parted,
    Kind.UNAVAILABLE: _unavailable,
    Kind.TOLD: _told,
    Kind.UNEXPLAINED: _unexplained,
    Kind.ANSWER: _answered,
    Kind.OPEN: _open,
    Kind.FAULTS: _faults,
    Kind.METERED_MB: _metered,
}
