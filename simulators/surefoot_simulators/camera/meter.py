"""Measure the application and say it as Prometheus text, under the names of the fleet's metric registry.

Promises: `text` may be called from the server's thread while the pipeline writes; the values of one page belong
together. Rates and ages are computed when asked, so a stalled pipeline shows a falling fps and a rising age.
Source: the Prometheus text format 0.0.4.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path

WINDOW_S = 3.0
"""Over which fps is measured: long enough for a steady figure, short enough to see a stall within a check or two."""
TIMES_KEPT = 200
"""Processing times behind the 95th percentile: twenty seconds at 10 fps."""


class Meter:
    """What the camera application counts. Times are monotonic seconds."""

    def __init__(self, version: str, started_s: float) -> None:
        self._version, self._started_s = version, started_s
        self._lock = threading.Lock()
        self._processed_at: deque[float] = deque()
        self._inference_s: deque[float] = deque(maxlen=TIMES_KEPT)
        self._captured_at_s = started_s
        self._captured = self._processed = self._dropped = self._frozen = 0
        self._counted_in = self._counted_out = 0

    def frame(self, *, captured_at_s: float, done_at_s: float, inference_s: float, dropped: int, frozen: bool) -> None:
        """Note one processed frame, and the frames that were dropped before it."""
        with self._lock:
            self._captured += 1 + dropped
            self._dropped += dropped
            self._processed += 1
            self._frozen += frozen
            self._captured_at_s = captured_at_s
            self._inference_s.append(inference_s)
            self._processed_at.append(done_at_s)
            self._forget(done_at_s)

    def counts(self, counted_in: int, counted_out: int) -> None:
        with self._lock:
            self._counted_in, self._counted_out = counted_in, counted_out

    def text(self, now_s: float) -> str:
        """Return the metrics page as of now."""
        with self._lock:
            self._forget(now_s)
            gauges = {
                "camera_fps": len(self._processed_at) / min(WINDOW_S, max(now_s - self._started_s, 0.1)),
                "camera_frame_age_s": now_s - self._captured_at_s,
                "inference_p95_s": _percentile_95(list(self._inference_s)),
                "memory_bytes": float(_resident_bytes()),
                "cpu_ratio": time.process_time() / max(now_s - self._started_s, 0.1),
            }
            counters = {
                "camera_frames_captured_total": self._captured,
                "camera_frames_processed_total": self._processed,
                "camera_frames_dropped_total": self._dropped,
                "camera_frozen_frames_total": self._frozen,
                'counts_total{direction="in"}': self._counted_in,
                'counts_total{direction="out"}': self._counted_out,
            }
        lines = [f'application_info{{version="{self._version}"}} 1']
        lines += [f"{name} {value:.6g}" for name, value in gauges.items()]
        lines += [f"{name} {count}" for name, count in counters.items()]
        return _typed(lines)

    def _forget(self, now_s: float) -> None:
        while self._processed_at and self._processed_at[0] <= now_s - WINDOW_S:
            self._processed_at.popleft()


def _typed(lines: list[str]) -> str:
    """Put the TYPE comment before the first sample of each name."""
    page: list[str] = []
    last = ""
    for line in lines:
        name = line.split("{")[0].split(" ")[0]
        if name != last:
            page.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
            last = name
        page.append(line)
    return "\n".join(page) + "\n"


def _percentile_95(times_s: list[float]) -> float:
    return sorted(times_s)[int(0.95 * (len(times_s) - 1))] if times_s else 0.0


def _resident_bytes() -> int:
    """Resident memory of this process; 0 where the kernel has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
