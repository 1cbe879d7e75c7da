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
from collections.abc import Mapping
from pathlib import Path

WINDOW_S = 3.0
"""Over which fps is measured: long enough for a steady figure, short enough to see a stall within a check or two."""
PER_STREAM = ("camera_", "inference_", "counts_")
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
        self._captured = self._processed = self._dropped = self._frozen = self._black = self._restarts = 0
        self._counted_in = self._counted_out = 0

    def frame(
        self,
        *,
        captured_at_s: float,
        done_at_s: float,
        inference_s: float,
        dropped: int,
        frozen: bool,
        black: bool = False,
    ) -> None:
        """Note one processed frame, and the frames that were dropped before it."""
        with self._lock:
            self._captured += 1 + dropped
            self._dropped += dropped
            self._processed += 1
            self._frozen += frozen
            self._black += black
            self._captured_at_s = captured_at_s
            self._inference_s.append(inference_s)
            self._processed_at.append(done_at_s)
            self._forget(done_at_s)

    def counts(self, counted_in: int, counted_out: int) -> None:
        with self._lock:
            self._counted_in, self._counted_out = counted_in, counted_out

    def restarted(self) -> None:
        """Note that the pipeline was stopped and started again."""
        with self._lock:
            self._restarts += 1

    def text(self, now_s: float) -> str:
        """Return the metrics page of a camera with one stream as of now."""
        return page({"": self}, now_s)

    def samples(self, now_s: float) -> tuple[str, dict[str, float]]:
        """Return the version and every value by name, labels included."""
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
                "camera_black_frames_total": self._black,
                "camera_restarts_total": self._restarts,
                'counts_total{direction="in"}': self._counted_in,
                'counts_total{direction="out"}': self._counted_out,
            }
        return self._version, {**gauges, **counters}

    def _forget(self, now_s: float) -> None:
        while self._processed_at and self._processed_at[0] <= now_s - WINDOW_S:
            self._processed_at.popleft()


def page(meters: Mapping[str, Meter], now_s: float) -> str:
    """Return one page of every stream; with several, each has its name as a label, what is the process's has none."""
    taken = {stream: meter.samples(now_s) for stream, meter in meters.items()}
    (version, first), *_ = taken.values()
    lines = [f'application_info{{version="{version}"}} 1']
    for name in first:
        for stream, (_, values) in taken.items():
            if not name.startswith(PER_STREAM) and values is not first:
                continue
            label = f'stream="{stream}"' if len(meters) > 1 and name.startswith(PER_STREAM) else ""
            lines.append(f"{_labelled(name, label)} {_figure(values[name])}")
    return _typed(lines)


def _labelled(name: str, label: str) -> str:
    if not label:
        return name
    return f"{name[:-1]},{label}}}" if name.endswith("}") else f"{name}{{{label}}}"


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


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
