"""Play a world no faster than so many times as fast as the clock on the wall, for whoever looks on.

Promises: what happens and in which order is the same at every pace; a machine that cannot keep up plays later, and
makes up for it when it can.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """`speed` is seconds of the world in one second of the wall; 1 is real time."""

    def __init__(
        self, speed: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._speed, self._clock, self._sleep = speed, clock, sleep
        self._began = clock()

    def __call__(self, t: float) -> None:
        """Wait until the world may be at `t` seconds."""
        early_s = self._began + t / self._speed - self._clock()
        if early_s > 0:
            self._sleep(early_s)
