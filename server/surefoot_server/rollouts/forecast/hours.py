"""When a site's windows are open, asked a million times: the windows of `rollouts.windows`, kept a month at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from surefoot_server.rollouts.forecast.draws import SECOND
from surefoot_server.rollouts.windows import Freeze, Window, intervals

MONTH = 30 * 86400 * SECOND
"""Half of what `intervals` looks ahead, so the next opening is always among what is kept."""


class Hours:
    """Open hours by zone, in microseconds since the forecast's start. No window and no freeze: always open."""

    def __init__(self, window: Window | None, freezes: tuple[Freeze, ...], zones: tuple[str, ...], start: datetime):
        self._window, self._freezes, self._zones, self._start = window, freezes, zones, start
        self._kept: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.always = window is None and not freezes

    def opens(self, zone: int, t: int) -> int:
        """The first moment from `t` on at which it is open."""
        if self.always:
            return t
        month = t // MONTH
        spans = self._spans(zone, month)
        if not spans:
            return t
        return next((max(begins, t) for begins, ends in spans if ends > t), (month + 1) * MONTH)

    def after(self, zone: int, t: int, work: int) -> int:
        """When this much work is done, if it is done in open hours only."""
        if self.always:
            return t + work
        while True:
            t = self.opens(zone, t)
            spans = self._spans(zone, t // MONTH)
            ends = next((e for b, e in spans if b <= t < e), None) if spans else None
            if ends is None or t + work <= ends:
                return t + work
            work -= ends - t
            t = ends

    def _spans(self, zone: int, month: int) -> list[tuple[int, int]]:
        found = self._kept.get((zone, month))
        if found is None:
            since = self._start + timedelta(microseconds=month * MONTH)
            told = intervals(self._window, self._freezes, self._zones[zone], since)
            found = self._kept[zone, month] = [(self._since(begins), self._since(ends)) for begins, ends in told]
        return found

    def _since(self, at: datetime) -> int:
        return (at - self._start) // timedelta(microseconds=1)
