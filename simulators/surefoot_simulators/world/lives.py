"""What ran on each device, from when to when: the points of a recording read as spans. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from surefoot_shared.status import AttemptState
from surefoot_simulators.world.recording import Point

Span = tuple[float, float, str]
"""(since, until, version)."""


def last(points: Sequence[Point]) -> Mapping[str, Point]:
    """How each device was at the end."""
    return {point.device: point for point in points}


def spans(points: Sequence[Point], end_s: float) -> dict[str, list[Span]]:
    """By device, of all its components, in the order of time; what ran at the end ran until `end_s`."""
    found: dict[str, list[Span]] = {}
    before: dict[str, Point] = {}
    for point in points:
        earlier = before.get(point.device)
        if earlier is not None:
            found.setdefault(point.device, []).extend((earlier.t, point.t, each) for each in earlier.versions)
        before[point.device] = point
    for point in before.values():
        found.setdefault(point.device, []).extend((point.t, end_s, each) for each in point.versions)
    return found


def parted(points: Sequence[Point], versions: Collection[str]) -> list[str]:
    """Devices on which, while nothing was under way, some of these ran and not all; what is dark for a moment does not
    count as another release."""
    wanted, found = set(versions), set()
    for point in points:
        whole = point.version is not None and all(point.also)
        runs = wanted & set(point.versions)
        if whole and point.state is AttemptState.IDLE and runs and runs != wanted:
            found.add(point.device)
    return sorted(found)
