"""Judge a camera pipeline by two looks at its metrics: rate, age, frozen frames, captured against processed. Pure.

A rate alone proves little: a source that repeats its last picture keeps its frames a second and its small age, and a
pipeline that skips everything keeps them too. So counters are compared between two looks, stream by stream.
Source: field notes on cameras (fps band, frame age, frozen frames, skipped frames counted as healthy).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from surefoot_agent.scrape import Series

MAX_FROZEN_RATIO = 0.5
"""More than half of the frames identical to the one before: no scene in daylight or noise of a sensor does that."""
FRAMES_TO_MISS = 3
"""A stream is still when at least this many frames were due between two looks and none came."""


@dataclass(frozen=True)
class View:
    """One look: when (monotonic), at which start of the application, and the metrics of each stream by name."""

    at: float
    start_id: str
    streams: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class CameraFinding:
    problems: tuple[str, ...]
    measured: Mapping[str, float]


def view(at: float, start_id: str, series: Sequence[Series]) -> View:
    """Group the `camera_…` series by their labels: one group is one stream."""
    streams: dict[str, dict[str, float]] = {}
    for one in series:
        if one.name.startswith("camera_"):
            name = ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()))
            streams.setdefault(name, {})[one.name] = one.value
    return View(at, start_id, streams)


def judge(
    params: Mapping[str, str | float], before: View | None, now: View, baseline_fps: float | None
) -> CameraFinding:
    """Return every problem of every stream; `before` is an earlier look at the same start, or None."""
    if not any("camera_fps" in metrics for metrics in now.streams.values()):
        return CameraFinding(("the application shows no camera_fps",), {})
    problems: list[str] = []
    for name, metrics in now.streams.items():
        earlier = before.streams.get(name, {}) if before and before.start_id == now.start_id else {}
        elapsed_s = now.at - before.at if before else 0.0
        found = [*_gauges(params, metrics, baseline_fps), *_counters(params, earlier, metrics, elapsed_s)]
        problems += [f"{name}: {problem}" if name else problem for problem in found]
    return CameraFinding(tuple(problems), _worst(now))


def _gauges(
    params: Mapping[str, str | float], metrics: Mapping[str, float], baseline_fps: float | None
) -> Iterable[str]:
    fps, age_s = metrics.get("camera_fps"), metrics.get("camera_frame_age_s")
    for floor, words in _fps_floors(params, baseline_fps):
        if fps is not None and fps < floor:
            yield f"{fps:.1f} frames a second, {floor:.1f} {words}"
    if fps is not None and "max_fps" in params and fps > float(params["max_fps"]):
        yield f"{fps:.1f} frames a second, {float(params['max_fps']):.1f} at most"
    if "max_frame_age_s" in params:
        if age_s is None:
            yield "no camera_frame_age_s"
        elif age_s > float(params["max_frame_age_s"]):
            yield f"the newest frame is {age_s:.1f} s old, {float(params['max_frame_age_s']):.1f} s allowed"


def _fps_floors(params: Mapping[str, str | float], baseline_fps: float | None) -> Iterable[tuple[float, str]]:
    if "min_fps" in params:
        yield float(params["min_fps"]), "are required"
    if "min_fps_ratio" in params and baseline_fps is not None:
        yield float(params["min_fps_ratio"]) * baseline_fps, "are required by what ran before"


def _counters(
    params: Mapping[str, str | float], earlier: Mapping[str, float], metrics: Mapping[str, float], elapsed_s: float
) -> Iterable[str]:
    processed = _rise(earlier, metrics, "camera_frames_processed_total")
    frozen = _rise(earlier, metrics, "camera_frozen_frames_total")
    captured = _rise(earlier, metrics, "camera_frames_captured_total")
    if processed is None:
        return
    if processed == 0 and elapsed_s * float(params.get("min_fps", 0.0)) >= FRAMES_TO_MISS:
        yield f"no frame was processed in {elapsed_s:.1f} s"
    limit = float(params.get("max_frozen_ratio", MAX_FROZEN_RATIO))
    if frozen is not None and processed > 0 and frozen / processed > limit:
        yield f"frozen frames: {frozen:.0f} of {processed:.0f} frames are identical to the one before"
    wanted = float(params.get("min_processed_ratio", 0.0))
    if captured and processed / captured < wanted:
        yield f"{processed:.0f} of {captured:.0f} captured frames were processed"


def _rise(earlier: Mapping[str, float], metrics: Mapping[str, float], name: str) -> float | None:
    """How much a counter rose; None where it is missing or began anew."""
    if name not in earlier or name not in metrics or metrics[name] < earlier[name]:
        return None
    return metrics[name] - earlier[name]


def _worst(now: View) -> dict[str, float]:
    streams = now.streams.values()
    fps = [m["camera_fps"] for m in streams if "camera_fps" in m]
    ages = [m["camera_frame_age_s"] for m in streams if "camera_frame_age_s" in m]
    frozen = [m["camera_frozen_frames_total"] for m in streams if "camera_frozen_frames_total" in m]
    found = (("camera_fps", fps, min), ("camera_frame_age_s", ages, max), ("camera_frozen_frames_total", frozen, max))
    return {name: pick(values) for name, values, pick in found if values}
