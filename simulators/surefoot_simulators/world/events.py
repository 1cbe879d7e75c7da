"""The world's time: what is to happen, in order of its time and, at one time, in the order in which it was said.

Promises: no clock of this machine; two runs that say the same things do the same things, however fast they are played.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

Act = Callable[[], None]


class EventQueue:
    """`later` from anywhere, `run` from outside."""

    def __init__(self) -> None:
        self.now, self.count = 0.0, 0
        self.pace: Callable[[float], None] = lambda _: None
        """Called with the time of each event before it happens; whoever looks on may wait there."""
        self._number = 0
        self._waiting: list[tuple[float, int, Act]] = []

    def later(self, seconds: float, act: Act) -> None:
        """Do this after so many seconds; at once, but after what is being done, for none."""
        self._number += 1
        heapq.heappush(self._waiting, (self.now + max(0.0, seconds), self._number, act))

    def at(self, t: float, act: Act) -> None:
        self.later(t - self.now, act)

    def run(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until then, or until `over`, which is asked after each event."""
        while self._waiting and self._waiting[0][0] <= until:
            self.pace(self._waiting[0][0])
            self.now, _, act = heapq.heappop(self._waiting)
            self.count += 1
            act()
            if over():
                return
        self.now = max(self.now, until)
