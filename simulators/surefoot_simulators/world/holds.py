"""Faults that last: of several that overlap the latest counts, and all is as before once the last of them has ended.

Promises: a fault that begins while another of its kind is on neither ends that one early nor takes what that one left
for how things were. Knows no fault: a hold is a value and how to put it in place.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from surefoot_simulators.device.lanes import Later

T = TypeVar("T")


class Holds:
    """What lasts at the moment, by what it lasts on."""

    def __init__(self, later: Later) -> None:
        self._later = later
        self._before: dict[Hashable, object] = {}
        self._on: dict[Hashable, list[list[object]]] = {}

    def hold(self, on: Hashable, for_s: float, before: T, during: T, put: Callable[[T], None]) -> None:
        """Put `during` in place for so long, then what counts by then; without a time it stays.

        `before` is how things are now; it is only looked at where nothing else of the kind is on.
        """
        mine: list[object] = [during]
        lasting = self._on.setdefault(on, [])
        if not lasting:
            self._before[on] = before
        was = lasting[-1][0] if lasting else before
        lasting.append(mine)
        if was != during:
            put(during)
        if for_s:
            self._later(for_s, lambda: self._end(on, mine, put))

    def _end(self, on: Hashable, mine: list[object], put: Callable[[T], None]) -> None:
        lasting = self._on[on]
        was = lasting[-1][0]
        lasting[:] = [each for each in lasting if each is not mine]
        now = lasting[-1][0] if lasting else self._before[on]
        if now != was:
            put(now)  # type: ignore[arg-type]  # all that is held on one thing is of one type
