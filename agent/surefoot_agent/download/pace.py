"""How fast a source must be, and how fast it may be: the average over a window, and a rate never exceeded. Pure.

A per-packet timeout never trips on one byte a second, so the average counts: a source that brings fewer than
min_speed_bytes_per_s over a whole window is left. Source: field notes on slow retrieval (removed from the TUF spec).
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_shared.errors import Unreachable


@dataclass(frozen=True)
class Pacing:
    """0 for `min_speed_bytes_per_s` never leaves a source, 0 for `rate_bytes_per_s` sets no limit."""

    min_speed_bytes_per_s: int = 1_024
    min_speed_window_s: float = 60.0
    rate_bytes_per_s: int = 0

    def under(self, lease_rate: int | None) -> Pacing:
        """The stricter of both rates; and a limit set on purpose is never itself too slow."""
        rates = [rate for rate in (self.rate_bytes_per_s, lease_rate or 0) if rate > 0]
        rate = min(rates, default=0)
        floor = min(self.min_speed_bytes_per_s, rate // 2) if rate else self.min_speed_bytes_per_s
        return Pacing(floor, self.min_speed_window_s, rate)

    def unlimited(self) -> Pacing:
        """For a source on the site itself, whose bytes cost the uplink nothing."""
        return Pacing(self.min_speed_bytes_per_s, self.min_speed_window_s, 0)


class Pace:
    """The pace of one answer; times are monotonic seconds given by the caller."""

    def __init__(self, pacing: Pacing, now: float) -> None:
        self._pacing = pacing
        self._began = self._window_began = now
        self._bytes = self._window_bytes = 0

    def arrived(self, size_bytes: int, now: float) -> float:
        """Count what arrived; return the seconds to wait for the rate. Raises Unreachable(too_slow)."""
        self._bytes += size_bytes
        self._window_bytes += size_bytes
        self._check_window(now)
        rate = self._pacing.rate_bytes_per_s
        return max(0.0, self._began + self._bytes / rate - now) if rate else 0.0

    def _check_window(self, now: float) -> None:
        elapsed_s = now - self._window_began
        if elapsed_s < self._pacing.min_speed_window_s:
            return
        speed = self._window_bytes / elapsed_s
        if speed < self._pacing.min_speed_bytes_per_s:
            floor = self._pacing.min_speed_bytes_per_s
            raise Unreachable("too_slow", f"The source brings {speed:.0f} bytes a second; {floor} are the least.")
        self._window_began, self._window_bytes = now, 0
