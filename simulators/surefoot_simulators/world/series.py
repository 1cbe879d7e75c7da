"""A recording as curves: how many devices ran what, and stood where, over time. Pure.

Promises: every curve is exact at its sample times, and the curves of one picture add up to all devices at each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from surefoot_shared.status import AttemptState as A
from surefoot_simulators.world.recording import Point, Recording

SAMPLES = 240
"""As many as a picture of some 900 points' width can show."""
OFFLINE, NOTHING = "offline", "nothing runs"
STANDS: Mapping[A, str] = {
    A.IDLE: "idle",
    A.OFFERED: "fetching",
    A.CHECKING: "fetching",
    A.DOWNLOADING: "fetching",
    A.VERIFIED: "staged",
    A.STAGED: "staged",
    A.ARMED: "switching",
    A.SWITCHING: "switching",
    A.PROBATION: "probation",
    A.COMMITTING: "probation",
    A.REVERTING: "going back",
    A.CLEANING: "going back",
    A.RESCUE: "rescue",
}
"""State → the band of the picture that it is part of."""
ORDER = ("idle", "fetching", "staged", "switching", "probation", "going back", "rescue", OFFLINE)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Curves:
    """`at` in seconds; for each name as many counts."""

    at: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]

    @property
    def most(self) -> int:
        return max((sum(row) for row in zip(*self.counts.values(), strict=True)), default=0)


def by_version(recording: Recording) -> Curves:
    """What runs on the devices."""
    first = {device.name: device.version for device in recording.devices}
    found = _curves(recording, first, lambda point: point.version or NOTHING)
    versions = sorted((name for name in found.counts if name != NOTHING), key=_natural)
    return _ordered(found, [*versions, NOTHING])


def by_state(recording: Recording) -> Curves:
    """How far the devices are with an update; whoever has no connection is offline, whatever it does."""
    first = dict.fromkeys((device.name for device in recording.devices), STANDS[A.IDLE])
    found = _curves(recording, first, lambda point: STANDS[point.state] if point.online else OFFLINE)
    return _ordered(found, ORDER)


def _curves(recording: Recording, first: Mapping[str, str], name_of: Callable[[Point], str]) -> Curves:
    at = times(recording.seconds)
    now, counts = dict(first), Counter(first.values())
    rows: list[Counter[str]] = []
    points, next_one = recording.points, 0
    for moment in at:
        while next_one < len(points) and points[next_one].t <= moment:
            point = points[next_one]
            if point.device in now:
                counts[now[point.device]] -= 1
            now[point.device] = name_of(point)
            counts[now[point.device]] += 1
            next_one += 1
        rows.append(Counter(counts))
    names = {name for row in rows for name, count in row.items() if count}
    return Curves(at, {name: tuple(row[name] for row in rows) for name in names})


def times(seconds: float) -> tuple[float, ...]:
    """Sample times from 0 to the end, both included."""
    return tuple(seconds * n / (SAMPLES - 1) for n in range(SAMPLES))


def _ordered(curves: Curves, names: Sequence[str]) -> Curves:
    return Curves(curves.at, {name: curves.counts[name] for name in names if name in curves.counts})


def _natural(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in version.split("."))
