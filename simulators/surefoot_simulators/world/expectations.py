"""What a scenario expects of a run, and whether it was so: pure functions of what was written down.

Promises: each expectation says in one sentence what it asks, and what was found with it; one about something that never
happened is not met by that. Read from [[expect]] tables; docs/simulator.md lists the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from surefoot_shared.status import AFTER_ARMED, AttemptState, Outcome, PhaseState, RolloutState
from surefoot_simulators.world import lives
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
from surefoot_simulators.world.toml_lines import Table

STOPS = frozenset({RolloutState.FAILED, RolloutState.REVERTING, RolloutState.HALTED, RolloutState.CANCELLED})
STUCK = frozenset({"rescue", "never_connected", "unknown"})
"""Answers that say that nobody knows, or that a person must visit the device."""
SAID_WITHIN_S = 900.0
"""A device's report of a commit may take so long to be stored: outages and slow lines."""


class Kind(str, Enum):
    """What is asked."""

    EVER_RAN = "ever_ran"
    """Devices that ever ran `version`."""
    RUNS_AT_END = "runs_at_end"
    """Devices that run `version` at the end."""
    ROLLOUT = "rollout"
    """Rollout number `rollout` ends in `state`; with `within` it came to it by then."""
    PHASE = "phase"
    """Phase `phase` is in `state` at the end."""
    NEVER_BEGAN = "never_began"
    """Phase `phase` was never offered to anybody."""
    OUTCOMES = "outcomes"
    """Attempts at `version` that ended with `outcome`, and `reason` where one is given; with `ever` also those that
    were tried again or corrected since."""
    BACK_WITHIN = "back_within"
    """From the stop of the rollout on, nobody runs `version` after `within`."""
    BRICKED = "bricked"
    """Devices with power whose next start would enter nothing whole, or which run nothing at the end."""
    LOST_EVENTS = "lost_events"
    """Events that a device told and the server does not hold, of devices that can be reached."""
    FALSE_SUCCESS = "false_success"
    """Commits that the server counts although the device does not run that release."""
    ONLY_RAN = "only_ran"
    """No device ever ran another release than these `versions`."""
    PARTED = "parted"
    """Devices that, with nothing under way, ever ran some of these `versions` and not all."""
    UNAVAILABLE = "unavailable"
    """Devices that switch or are on trial at one time; with `per_site` at one site."""
    TOLD = "told"
    """Lines of the story that contain `text`."""
    UNEXPLAINED = "unexplained"
    """Devices of the rollout that do not run its release and for which neither an outcome nor a wait says why."""
    ANSWER = "answer"
    """Devices, or `device` alone, of which the server says at the end why with a sentence that has `text`."""
    OPEN = "open"
    """Attempts that have no outcome at the end."""
    FAULTS = "faults"
    """Faults that struck: a scenario whose fault never came proves nothing."""
    METERED_MB = "metered_mb"
    """Megabytes that went over metered lines."""


@dataclass(frozen=True, slots=True)
class Expectation:
    kind: Kind
    line: int
    version: str = ""
    versions: tuple[str, ...] = ()
    rollout: int = 1
    states: tuple[str, ...] = ()
    phase: str = ""
    outcome: Outcome = Outcome.COMMITTED
    reason: str = ""
    within_s: float = 0.0
    per_site: bool = False
    ever: bool = False
    text: str = ""
    device: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        """The expectation as a sentence."""
        subject = SUBJECTS[self.kind](self)
        if self.low is None and self.high is None:
            return subject
        if self.low == self.high:
            return f"{subject}: exactly {self.low:g}"
        bounds = [f"at least {self.low:g}"] if self.low is not None else []
        bounds += [f"at most {self.high:g}"] if self.high is not None else []
        return f"{subject}: {' and '.join(bounds)}"


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


SUBJECTS: Mapping[Kind, Callable[[Expectation], str]] = {
    Kind.EVER_RAN: lambda e: f"devices that ever run {e.version}",
    Kind.RUNS_AT_END: lambda e: f"devices that run {e.version} at the end",
    Kind.ROLLOUT: lambda e: f"rollout {e.rollout} is {' or '.join(e.states)}" + _within(e),
    Kind.PHASE: lambda e: f"phase {e.phase} of rollout {e.rollout} is {' or '.join(e.states)} at the end",
    Kind.NEVER_BEGAN: lambda e: f"phase {e.phase} of rollout {e.rollout} never begins",
    Kind.OUTCOMES: lambda e: (
        f"attempts at {e.version or 'any release'} that {'ever ' if e.ever else ''}end {e.outcome.value}"
        + (f" for {e.reason}" if e.reason else "")
    ),
    Kind.BACK_WITHIN: lambda e: f"nobody runs {e.version} {e.within_s:g} s after rollout {e.rollout} stopped",
    Kind.BRICKED: lambda e: "bricked devices",
    Kind.LOST_EVENTS: lambda e: "events that were told and not stored",
    Kind.FALSE_SUCCESS: lambda e: "commits that were counted and are not so",
    Kind.ONLY_RAN: lambda e: f"nobody ever runs anything but {', '.join(e.versions)}",
    Kind.PARTED: lambda e: f"devices that ever run some of {', '.join(e.versions)} and not all",
    Kind.UNAVAILABLE: lambda e: f"devices switching at one time{' at one site' if e.per_site else ''}",
    Kind.TOLD: lambda e: f"lines of the story that say {e.text!r}",
    Kind.UNEXPLAINED: lambda e: "devices without an explanation",
    Kind.ANSWER: lambda e: f"answers{f' about {e.device}' if e.device else ''} that say {e.text!r}",
    Kind.OPEN: lambda e: "attempts without an end",
    Kind.FAULTS: lambda e: f"faults that struck{f' of kind {e.text}' if e.text else ''}",
    Kind.METERED_MB: lambda e: "megabytes over metered lines",
}
STATES: Mapping[Kind, Sequence[str]] = {
    Kind.ROLLOUT: [state.value for state in RolloutState],
    Kind.PHASE: [state.value for state in PhaseState],
}
BOUNDED = frozenset(Kind) - {Kind.ROLLOUT, Kind.PHASE, Kind.NEVER_BEGAN, Kind.BACK_WITHIN, Kind.ONLY_RAN}


def read(table: Table) -> Expectation:
    """Read one [[expect]]."""
    kind = table.choice("kind", Kind)
    exactly = table.number("exactly", -1.0, low=-1.0)
    low = table.number("at_least", -1.0, low=-1.0)
    high = table.number("at_most", -1.0, low=-1.0)
    made = Expectation(
        kind=kind,
        line=table.line,
        version=table.text("version", ""),
        versions=table.texts("versions"),
        rollout=table.whole("rollout", 1, low=1),
        states=table.texts("state"),
        phase=table.text("phase", ""),
        outcome=table.choice("outcome", Outcome, Outcome.COMMITTED),
        reason=table.text("reason", ""),
        within_s=table.span_s("within", 0.0),
        per_site=table.flag("per_site"),
        ever=table.flag("ever"),
        text=table.text("text", ""),
        device=table.text("device", ""),
        low=exactly if exactly >= 0 else low if low >= 0 else None,
        high=exactly if exactly >= 0 else high if high >= 0 else None,
    )
    if kind in BOUNDED and made.low is None and made.high is None:
        raise table.wrong("it needs at_most, at_least or exactly")
    known = STATES.get(kind, ())
    for state in made.states if known else ():
        if state not in known:
            raise table.wrong(f"{state!r} is not one of {', '.join(known)}", "state")
    if known and not made.states:
        raise table.wrong("it needs a state", "state")
    if kind in (Kind.EVER_RAN, Kind.RUNS_AT_END, Kind.BACK_WITHIN) and not made.version:
        raise table.wrong("it needs a version", "version")
    if kind is Kind.PARTED and len(made.versions) < 2:
        raise table.wrong("it needs two versions or more", "versions")
    table.done()
    return made


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


def _ever_ran(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    names = sorted({point.device for point in seen.points if expectation.version in point.versions})
    return _bounded(expectation, len(names), names)


def _runs_at_end(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    names = sorted(name for name, point in lives.last(seen.points).items() if expectation.version in point.versions)
    return _bounded(expectation, len(names), names)


def _outcomes(expectation: Expectation, seen: Seen) -> tuple[bool, str]:
    wanted = seen.release(expectation.version) if expectation.version else ""
    ends = [end for end in seen.endings if wanted in ("", end.release)]
    if not expectation.ever:  # the last word about a device counts
        ends = list({(end.device, end.release, end.rollout): end for end in ends}.values())
    fits = [e.device for e in ends if e.outcome is expectation.outcome and expectation.reason in ("", e.reason)]
    return _bounded(expectation, len(fits), sorted(fits))


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


def _within(expectation: Expectation) -> str:
    return f" within {expectation.within_s:g} s" if expectation.within_s else " at the end"


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
