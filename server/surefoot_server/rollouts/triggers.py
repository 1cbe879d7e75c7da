"""What may stop a rollout besides its gate: flags, advisories, and a deadline; pure.

Promises: each trigger ends in the act that the policy states, and says why in one sentence; the sternest of several
wins; what a person let pass with `resume` does not count again. Error rate, performance, response time and lost
devices are objectives of the gate. Source: DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from surefoot_server.rollouts.document import Field


class Do(str, Enum):
    """The act of a trigger, from the mildest to the sternest."""

    HOLD = "hold"
    """Nothing new is offered until a person decides."""
    HALT = "halt"
    """Nobody installs the release any more; who has it keeps it."""
    REVERT = "revert"
    """Halt, and who has it goes back."""


STERN = tuple(Do)


@dataclass(frozen=True, slots=True)
class FlagTrigger:
    """`devices`: so many flagged devices of the rollout that run the release; `release`: so many flags on itself."""

    devices: int = 3
    release: int = 1
    do: Do = Do.HOLD


@dataclass(frozen=True, slots=True)
class NotPassed:
    """The current phase has not passed within this time after it began."""

    within_s: float
    do: Do = Do.HOLD


@dataclass(frozen=True, slots=True)
class Triggers:
    flags: FlagTrigger = FlagTrigger()
    advisory: Do = Do.HALT
    """An advisory may ask for more, never for less."""
    not_passed: NotPassed | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A flag or an advisory that stands: about a device, or about the release itself."""

    at: datetime
    by: str
    reason: str
    device: str | None = None
    do: Do | None = None
    """What an advisory asks for; None for a flag."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known about one rollout. `since`: the last time a person let it go on; older signals are acknowledged."""

    flags: Sequence[Signal] = ()
    advisories: Sequence[Signal] = ()
    since: datetime | None = None
    phase_name: str = ""
    phase_began_at: datetime | None = None
    waited_s: float = 0.0
    """Seconds since the phase began, or since a person let it go on, without outages."""


@dataclass(frozen=True, slots=True)
class Trip:
    do: Do
    reason: str


def parse(field: Field) -> Triggers:
    """Read the `triggers` part of a policy; raises Invalid naming line and field."""
    default = Triggers()
    fields = field.mapping("flags", "advisory", "not_passed")
    flags = fields["flags"].mapping("devices", "release", "do")
    late = fields["not_passed"].mapping("within", "do")
    return Triggers(
        flags=FlagTrigger(
            devices=flags["devices"].integer(default.flags.devices, low=1, high=1_000_000),
            release=flags["release"].integer(default.flags.release, low=1, high=1_000_000),
            do=flags["do"].choice(Do, default.flags.do),
        ),
        advisory=fields["advisory"].choice(Do, default.advisory),
        not_passed=None
        if fields["not_passed"].absent
        else NotPassed(late["within"].required().duration_s(0.0, low=1.0), late["do"].choice(Do, Do.HOLD)),
    )


def pull(triggers: Triggers, signals: Signals) -> Trip | None:
    """Return the sternest act that something asks for, None where nothing does."""
    trips = [*_advisories(triggers, signals), *_flags(triggers.flags, signals), *_late(triggers.not_passed, signals)]
    return max(trips, key=lambda trip: STERN.index(trip.do), default=None)


def _advisories(triggers: Triggers, signals: Signals) -> list[Trip]:
    return [
        Trip(max(triggers.advisory, a.do or Do.HOLD, key=STERN.index), f"advisory by {a.by}: {a.reason}")
        for a in _fresh(signals.advisories, signals.since)
    ]


def _flags(trigger: FlagTrigger, signals: Signals) -> list[Trip]:
    fresh = _fresh(signals.flags, signals.since)
    on_release = [f for f in fresh if f.device is None]
    devices = {f.device: f for f in fresh if f.device is not None}
    trips = []
    if len(on_release) >= trigger.release:
        trips.append(Trip(trigger.do, f"the release is flagged by {on_release[-1].by}: {on_release[-1].reason}"))
    if len(devices) >= trigger.devices:
        last = list(devices.values())[-1]
        told = f"{len(devices)} devices that run it are flagged, the limit is {trigger.devices}"
        trips.append(Trip(trigger.do, f"{told}; the last is {last.device}, by {last.by}: {last.reason}"))
    return trips


def _late(trigger: NotPassed | None, signals: Signals) -> list[Trip]:
    if trigger is None or signals.phase_began_at is None or signals.waited_s < trigger.within_s:
        return []
    return [Trip(trigger.do, f"{signals.phase_name} has not passed within {trigger.within_s / 3600:.3g} h")]


def _fresh(signals: Sequence[Signal], since: datetime | None) -> list[Signal]:
    return [s for s in signals if since is None or s.at > since]
