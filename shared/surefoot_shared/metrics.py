"""The registry of metric names: each with its unit, type and one sentence; docs/metrics.md is made from it.

A name that is not here is kept as an application metric and shown as such.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    unit: str
    kind: str
    """gauge or counter."""
    meaning: str


METRICS: dict[str, Metric] = {
    "camera_fps": Metric("1/s", "gauge", "Frames processed a second."),
    "camera_frame_age_s": Metric("s", "gauge", "Age of the newest processed frame."),
    "camera_frames_captured_total": Metric("1", "counter", "Frames the source delivered."),
    "camera_frames_processed_total": Metric("1", "counter", "Frames that went through the whole pipeline."),
    "camera_frames_dropped_total": Metric("1", "counter", "Frames captured and not processed."),
    "camera_frozen_frames_total": Metric("1", "counter", "Processed frames identical to the one before."),
    "camera_black_frames_total": Metric("1", "counter", "Processed frames that are black throughout."),
    "camera_restarts_total": Metric("1", "counter", "Times the capture pipeline was stopped and started again."),
    "inference_p95_s": Metric("s", "gauge", "95th percentile of the time to process a frame."),
    "counts_total": Metric("1", "counter", "Objects that crossed the counting line."),
    "memory_bytes": Metric("B", "gauge", "Resident memory of the application."),
    "cpu_ratio": Metric("1", "gauge", "CPU time of the application per second of wall time."),
    "node_memory_available_bytes": Metric("B", "gauge", "Memory the node can still give."),
    "node_cpu_ratio": Metric("1", "gauge", "Busy share of all cores, 0 to 1."),
    "node_disk_free_bytes": Metric("B", "gauge", "Free space on the data partition."),
    "node_uptime_s": Metric("s", "gauge", "Seconds since boot."),
    "soc_temperature_c": Metric("°C", "gauge", "Hottest thermal zone."),
    "agent_memory_bytes": Metric("B", "gauge", "Resident memory of the agent."),
    "agent_cpu_ratio": Metric("1", "gauge", "CPU time of the agent per second of wall time."),
}
