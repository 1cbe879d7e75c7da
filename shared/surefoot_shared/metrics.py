"""The registry of metric names: unit, type, direction and one sentence each; docs/reference/metrics.md is made from it.

A name that is not here is kept as an application metric and shown as such; where it ends in `_total` it is a counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Better(str, Enum):
    """Which way is good; what neither is may differ without being worse."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True)
class Metric:
    unit: str
    kind: str
    """gauge, counter (judged by its rise per second), or slope: the rise per hour of the gauge named by `of`."""
    better: Better
    meaning: str
    of: str = ""


def kind_of(name: str) -> str:
    """The type of any metric, registered or an application's own."""
    if name in METRICS:
        return METRICS[name].kind
    return "counter" if name.endswith("_total") else "gauge"


_UP, _DOWN, _ANY = Better.HIGHER, Better.LOWER, Better.NEITHER
METRICS: dict[str, Metric] = {
    "camera_fps": Metric("1/s", "gauge", _UP, "Frames processed a second."),
    "camera_frame_age_s": Metric("s", "gauge", _DOWN, "Age of the newest processed frame."),
    "camera_frames_captured_total": Metric("1", "counter", _UP, "Frames the source delivered."),
    "camera_frames_processed_total": Metric("1", "counter", _UP, "Frames that went through the whole pipeline."),
    "camera_frames_dropped_total": Metric("1", "counter", _DOWN, "Frames captured and not processed."),
    "camera_frozen_frames_total": Metric("1", "counter", _DOWN, "Processed frames identical to the one before."),
    "camera_black_frames_total": Metric("1", "counter", _DOWN, "Processed frames that are black throughout."),
    "camera_restarts_total": Metric("1", "counter", _DOWN, "Times the capture pipeline was stopped and started again."),
    "inference_p95_s": Metric("s", "gauge", _DOWN, "95th percentile of the time to process a frame."),
    "counts_total": Metric("1", "counter", _ANY, "Objects that crossed the counting line."),
    "memory_bytes": Metric("B", "gauge", _DOWN, "Resident memory of the application."),
    "memory_slope": Metric("B/h", "slope", _DOWN, "Rise of the application's memory.", of="memory_bytes"),
    "cpu_ratio": Metric("1", "gauge", _DOWN, "CPU time of the application per second of wall time."),
    "shadow_agreement_ratio": Metric(
        "1", "gauge", _UP, "Counts that live release and shadow agree on, of all of either."
    ),
    "shadow_latency_ratio": Metric("1", "gauge", _DOWN, "Processing time of the shadow to that of the live release."),
    "shadow_fps_cost_ratio": Metric(
        "1", "gauge", _DOWN, "Share of its frames a second that the shadow cost the live one."
    ),
    "node_memory_available_bytes": Metric("B", "gauge", _UP, "Memory the node can still give."),
    "node_cpu_ratio": Metric("1", "gauge", _DOWN, "Busy share of all cores, 0 to 1."),
    "node_disk_free_bytes": Metric("B", "gauge", _UP, "Free space on the data partition."),
    "node_uptime_s": Metric("s", "gauge", _ANY, "Seconds since boot."),
    "soc_temperature_c": Metric("°C", "gauge", _DOWN, "Hottest thermal zone."),
    "agent_memory_bytes": Metric("B", "gauge", _DOWN, "Resident memory of the agent."),
    "agent_cpu_ratio": Metric("1", "gauge", _DOWN, "CPU time of the agent per second of wall time."),
}
