"""Named monotonic timers and the one back-off formula: what waits, and for how long.

Promises: a name has one timer; time is an argument, so a simulator can turn the clock. Refuses wall-clock time.
Source for full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
"""

from __future__ import annotations

from collections.abc import Callable

BASE_S = 1.0
CAP_S = 120.0
RESCUE_CAP_S = 600.0
IDLE_WAIT_S = 60.0


class Timers:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at: dict[str, float] = {}

    def set(self, name: str, delay_s: float) -> None:
        self._at[name] = self._now() + delay_s

    def sooner(self, name: str, delay_s: float) -> None:
        """Set the timer unless it rings earlier anyway."""
        self._at[name] = min(self._at.get(name, float("inf")), self._now() + delay_s)

    def drop(self, name: str) -> None:
        self._at.pop(name, None)

    def waits(self, name: str) -> bool:
        return name in self._at

    def take_due(self) -> str | None:
        """Take the earliest timer that rings; one at a time, because what it starts may drop the others."""
        at, name = min(((at, name) for name, at in self._at.items()), default=(float("inf"), ""))
        if at > self._now():
            return None
        del self._at[name]
        return name

    def wait_s(self) -> float:
        """Seconds until the next one rings."""
        return max(0.0, min(self._at.values(), default=self._now() + IDLE_WAIT_S) - self._now())


def full_jitter(tries: int, rand: float, retry_after_s: float | None = None, slow: bool = False) -> float:
    """Wait uniformly up to min(cap, base · 2^tries), after whatever the server asked for. `rand` is in 0..1.

    `slow` is for rescue: the first tries come within seconds, as a link is mended at once; later ones seldom.
    """
    ceiling_s = min(RESCUE_CAP_S if slow else CAP_S, BASE_S * 2.0 ** min(tries, 30))
    return (retry_after_s or 0.0) + max(0.05, ceiling_s * rand)
