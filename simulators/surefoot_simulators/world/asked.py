"""What a scenario asks of a run: the [[expect]] tables, read.

Promises: an expectation is one frozen value and one sentence; one that asks nothing, that contradicts itself, that no
run could miss or that none could meet is refused with its line, and so is a key that its kind does not look at.
docs/simulator.md lists the kinds; whether a run met them is for `expectations` to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from surefoot_shared.errors import KINDS, Invalid
from surefoot_shared.status import Outcome, PhaseState, RolloutState
from surefoot_simulators.world.toml_lines import Table


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


def _within(expectation: Expectation) -> str:
    return f" within {expectation.within_s:g} s" if expectation.within_s else " at the end"


KEYS: Mapping[Kind, Sequence[str]] = {
    Kind.EVER_RAN: ("version",),
    Kind.RUNS_AT_END: ("version",),
    Kind.ROLLOUT: ("state", "rollout", "within"),
    Kind.PHASE: ("phase", "state", "rollout"),
    Kind.NEVER_BEGAN: ("phase", "rollout"),
    Kind.OUTCOMES: ("version", "outcome", "reason", "ever"),
    Kind.BACK_WITHIN: ("version", "within", "rollout"),
    Kind.ONLY_RAN: ("versions",),
    Kind.PARTED: ("versions",),
    Kind.UNAVAILABLE: ("per_site",),
    Kind.TOLD: ("text",),
    Kind.ANSWER: ("text", "device"),
    Kind.FAULTS: ("text",),
}
"""What a kind looks at beside its bounds; the others look at nothing."""
NEEDED: Mapping[Kind, Sequence[str]] = {
    Kind.EVER_RAN: ("version",),
    Kind.RUNS_AT_END: ("version",),
    Kind.ROLLOUT: ("state",),
    Kind.PHASE: ("phase", "state"),
    Kind.NEVER_BEGAN: ("phase",),
    Kind.BACK_WITHIN: ("version", "within"),
    Kind.ONLY_RAN: ("versions",),
    Kind.PARTED: ("versions",),
    Kind.TOLD: ("text",),
    Kind.ANSWER: ("text",),
}
STATES: Mapping[Kind, Sequence[str]] = {
    Kind.ROLLOUT: [state.value for state in RolloutState],
    Kind.PHASE: [state.value for state in PhaseState],
}
BOUNDED = frozenset(Kind) - {Kind.ROLLOUT, Kind.PHASE, Kind.NEVER_BEGAN, Kind.BACK_WITHIN, Kind.ONLY_RAN}
OF_DEVICES = frozenset(
    {Kind.EVER_RAN, Kind.RUNS_AT_END, Kind.BRICKED, Kind.PARTED, Kind.UNAVAILABLE, Kind.UNEXPLAINED, Kind.OPEN}
)
"""Those that count devices, each once."""
HOW_MANY = ("at_most", "at_least", "exactly")


def read(table: Table) -> Expectation:
    """Read one [[expect]]."""
    kind = table.choice("kind", Kind)
    for key in NEEDED.get(kind, ()):
        if not table.has(key):
            raise table.wrong(f"an expectation of kind {kind.value} needs {key}", key)
    low, high = _bounds(table, kind) if kind in BOUNDED else (None, None)
    own = table.narrowed((*KEYS.get(kind, ()), *HOW_MANY) if kind in BOUNDED else KEYS.get(kind, ()))
    made = Expectation(
        kind=kind,
        line=table.line,
        version=own.text("version", ""),
        versions=own.texts("versions"),
        rollout=own.whole("rollout", 1, low=1),
        states=own.texts("state"),
        phase=own.text("phase", ""),
        outcome=own.choice("outcome", Outcome, Outcome.COMMITTED),
        reason=own.text("reason", ""),
        within_s=own.span_s("within", 0.0),
        per_site=own.flag("per_site"),
        ever=own.flag("ever"),
        text=own.text("text", ""),
        device=own.text("device", ""),
        low=low,
        high=high,
    )
    _check_states(table, made)
    if made.reason and made.reason not in KINDS:
        near = difflib.get_close_matches(made.reason, KINDS, 3)
        known = f"near it are {', '.join(near)}" if near else "docs/reference/errors.md lists them"
        raise table.wrong(f"no attempt ever ends for {made.reason!r}; {known}", "reason")
    if kind is Kind.PARTED and len(made.versions) < 2:
        raise table.wrong("it needs two versions or more", "versions")
    if "text" in NEEDED.get(kind, ()) and not made.text:
        raise table.wrong("it can never fail or never hold: every line has an empty text", "text")
    table.done(("kind", *KEYS.get(kind, ()), *(HOW_MANY if kind in BOUNDED else ())))
    return made


def _bounds(table: Table, kind: Kind) -> tuple[float | None, float | None]:
    low, high, exactly = (table.number(key) if table.has(key) else None for key in ("at_least", "at_most", "exactly"))
    for key, bound in (("at_least", low), ("at_most", high), ("exactly", exactly)):
        if kind is not Kind.METERED_MB and bound is not None and bound % 1:
            raise table.wrong(f"it can never be so: {bound:g} of what is counted one by one; give a whole number", key)
    if exactly is not None:
        if low is not None or high is not None:
            raise table.wrong("it stands alone, without at_least and at_most", "exactly")
        return exactly, exactly
    if low is None and high is None:
        raise table.wrong("it needs at_most, at_least or exactly")
    if low is not None and high is not None and low > high:
        raise table.wrong(f"it can never hold: nothing is at least {low:g} and at most {high:g}", "at_least")
    if high is None and not low:
        raise table.wrong("it can never fail: nothing is below 0", "at_least")
    return low, high


def _check_states(table: Table, made: Expectation) -> None:
    known = STATES.get(made.kind, ())
    for state in made.states if known else ():
        if state not in known:
            raise table.wrong(f"{state!r} is not one of {', '.join(known)}", "state")
    if known and not made.states:
        raise table.wrong("it needs a state", "state")
    if known and set(made.states) >= set(known):
        raise table.wrong("it can never fail: it names every state", "state")


@dataclass(frozen=True)
class Known:
    """What there is in a scenario that an expectation can ask about."""

    versions: Collection[str]
    devices: Collection[str]
    rollouts: int
    phases: Collection[str]
    """Of all its rollouts."""
    faults: Collection[str]
    """The kinds under which they are counted."""


def check(expectation: Expectation, known: Known, file: str) -> None:
    """Raise Invalid where it asks about something that is not there, which no run could change."""

    def wrong(why: str) -> Invalid:
        return Invalid(
            "malformed", f"{file}, line {expectation.line}: expect: {why}.", "Correct the scenario and run it again."
        )

    one_of: tuple[tuple[str, Sequence[str], Collection[str]], ...] = (
        ("version", [expectation.version] if expectation.version else [], known.versions),
        ("versions", expectation.versions, known.versions),
        ("device", [expectation.device] if expectation.device else [], known.devices),
        ("phase", [expectation.phase] if expectation.phase else [], known.phases),
        ("text", [expectation.text] if expectation.text and expectation.kind is Kind.FAULTS else [], known.faults),
    )
    for key, given, there in one_of:
        for each in given:
            if each not in there:
                raise wrong(f"{key}: {_unknown(key, each, there)}")
    if "rollout" in KEYS.get(expectation.kind, ()) and expectation.rollout > known.rollouts:
        raise wrong(f"rollout: there is no rollout {expectation.rollout}; {counted(known.rollouts, 'rollout')}")
    count = len(known.devices)
    if expectation.kind in OF_DEVICES:
        if expectation.low is not None and expectation.low > count:
            raise wrong(f"it can never hold: {counted(count, 'device')}")
        if not expectation.low and expectation.high is not None and expectation.high >= count:
            raise wrong(f"it can never fail: {counted(count, 'device')}")


def counted(number: int, what: str) -> str:
    """There is one device; there are 2 devices; there is no device."""
    if number > 1:
        return f"there are {number} {what}s"
    return f"there is {'only one' if number else 'no'} {what}"


def _unknown(key: str, name: str, there: Collection[str]) -> str:
    if there:
        return f"{name!r} is not one of {_listed(there)}"
    what = WHAT[key]
    return f"there is no {what} {name!r}, since the scenario has no {what} at all"


WHAT = {"version": "release", "versions": "release", "device": "device", "phase": "phase", "text": "fault"}


def _listed(names: Collection[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:12]) + (" and more" if len(ordered) > 12 else "")
