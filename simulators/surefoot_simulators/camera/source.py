"""The camera: delivers frames at a fixed rate, never waits for a slow reader, and may freeze as a bad release makes it.

Promises: a frame is delivered on a monotonic grid; whatever the reader was too slow for is counted as dropped, never
queued. A frozen source goes on delivering, at full rate, one and the same frame: fps and frame age look healthy then,
which is what makes this fault worth finding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .scene import Frame, Street


@dataclass(frozen=True)
class Delivery:
    frame: Frame
    captured_at_s: float
    """Monotonic time at which the sensor took it."""
    dropped: int
    """Frames taken since the last delivery that nobody fetched."""


class FrameSource:
    """A street behind a sensor clock. `clock` is monotonic seconds, `wait` sleeps; both are arguments for tests."""

    def __init__(
        self,
        street: Street,
        fps: float,
        clock: Callable[[], float],
        wait: Callable[[float], object],
        freeze_after_s: float | None = None,
        black_after_s: float | None = None,
    ) -> None:
        self._street, self._interval_s = street, 1.0 / fps
        self._clock, self._wait = clock, wait
        self._started_s = clock()
        self._taken = 0
        self._freeze_after_s, self._black_after_s = freeze_after_s, black_after_s
        self._last: Frame | None = None

    def read(self) -> Delivery:
        """Return the next frame, at its time; after a delay, the newest one."""
        pause_s = self._started_s + self._taken * self._interval_s - self._clock()
        if pause_s > 0.0:
            self._wait(pause_s)
        dropped = 0
        while self._clock() - self._at_s(self._taken) >= self._interval_s:
            self._take()
            dropped += 1
        captured_at_s = self._at_s(self._taken)
        return Delivery(self._take(), captured_at_s, dropped)

    def _at_s(self, number: int) -> float:
        return self._started_s + number * self._interval_s

    def _take(self) -> Frame:
        age_s = self._taken * self._interval_s
        self._taken += 1
        frozen = self._freeze_after_s is not None and age_s >= self._freeze_after_s
        if not frozen or self._last is None:
            self._last = self._street.next_frame()
        if self._black_after_s is not None and age_s >= self._black_after_s:
            self._last = replace(self._last, pixels=np.zeros_like(self._last.pixels))
        return self._last
