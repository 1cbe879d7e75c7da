"""Judge a camera pipeline by two looks at its metrics, stream by stream: rate, age, frozen and black frames. Pure.

A rate alone proves little: a source that repeats its last picture keeps its frames a second and its small age, and a
pipeline that skips everything keeps them too. So counters are compared between two looks. Nothing is averaged over
streams: one dead stream of four is named. Fewer live streams than before the update are a problem; other names for as
many are not, because a release may name its streams anew.
Source: field notes on cameras (fps band, frame age, frozen frames, skipped frames counted as healthy).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from surefoot_agent.scrape import Series

MAX_FROZEN_RATIO = 0.5
"""More than half of the frames identical to the one before: no scene in daylight or noise of a sensor does that."""
FRAMES_TO_MISS = 3
"""A stream is still when at least this many frames were due between two looks and none came."""
FPS, AGE, PROCESSED, CAPTURED = (
    "camera_fps",
    "camera_frame_age_s",
    "camera_frames_processed_total",
    "camera_frames_captured_total",
)
FROZEN, BLACK, RESTARTS = "camera_frozen_frames_total", "camera_black_frames_total", "camera_restarts_total"
NEEDED = (
    ("max_frame_age_s", AGE),
    ("max_frozen_ratio", FROZEN),
    ("max_black_ratio", BLACK),
    ("min_processed_ratio", CAPTURED),
    ("max_restarts", RESTARTS),
)
"""A bound that a release asks for and a metric without which it could never fail."""
Params = Mapping[str, "str | float"]
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class View:
    """One look: when (monotonic), at which start of the application, and the metrics of each stream by name."""

    at: float
    start_id: str
    streams: Mapping[str, Metrics]


@dataclass(frozen=True)
class CameraFinding:
    """What is wrong, stream by stream (the empty name: with the camera as a whole), and the numbers to compare with."""

    problems: Mapping[str, str]
    measured: Metrics = field(default_factory=dict)


def view(at: float, start_id: str, series: Sequence[Series]) -> View:
    """Group the `camera_…` series by their labels: one group is one stream."""
    streams: dict[str, dict[str, float]] = {}
    for one in series:
        if one.name.startswith("camera_"):
            name = ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()))
            streams.setdefault(name, {})[one.name] = one.value
    return View(at, start_id, streams)


def judge(
    params: Params, before: View | None, now: View, baseline: Metrics, first: View | None = None, cycles: int = 0
) -> CameraFinding:
    """Return every problem of every stream.

    `before` is an earlier look at the same start of the application and `first` the first one, or None; `baseline` is
    what this check measured before the update; `cycles` restarts of the pipeline were asked for since `first`.
    """
    alive = {name: metrics for name, metrics in now.streams.items() if FPS in metrics}
    if not alive:
        return CameraFinding({"": f"the application shows no {FPS}"})
    before = before if before and before.start_id == now.start_id else None
    problems: dict[str, str] = {}
    for name, metrics in alive.items():
        earlier = before.streams.get(name, {}) if before else {}
        begun = first.streams.get(name, {}) if first and first.start_id == now.start_id else {}
        elapsed_s = now.at - before.at if before else 0.0
        found = [
            *_gauges(params, metrics, _before(baseline, name)),
            *_counters(params, earlier, metrics, elapsed_s),
            *_restarts(params, begun, metrics, cycles),
        ]
        if found:
            problems[name] = "; ".join(found)
    return CameraFinding({**problems, **_missing(params, alive, baseline)}, _measured(alive))


def key(metric: str, stream: str) -> str:
    """The name of a measured value of one stream."""
    return f"{metric}{{{stream}}}" if stream else metric


def _before(baseline: Metrics, stream: str) -> float | None:
    """Frames a second of this stream before the update; of the slowest, where it had another name."""
    return baseline.get(key(FPS, stream), baseline.get(FPS))


def _gauges(params: Params, metrics: Metrics, fps_before: float | None) -> Iterator[str]:
    fps, age_s = metrics[FPS], metrics.get(AGE)
    floors, ceilings = _band(params, fps_before)
    for floor, words in floors:
        if fps < floor:
            yield f"{fps:.1f} frames a second, {floor:.1f} {words}"
            break
    else:
        if fps <= 0:
            yield "it delivers no frames"
    for ceiling, words in ceilings:
        if fps > ceiling:
            yield f"{fps:.1f} frames a second, {ceiling:.1f} {words}"
            break
    for param, metric in NEEDED:
        if param in params and metric not in metrics:
            yield f"no {metric}"
    if "max_frame_age_s" in params and age_s is not None and age_s > float(params["max_frame_age_s"]):
        yield f"the newest frame is {age_s:.1f} s old, {float(params['max_frame_age_s']):.1f} s allowed"


Bound = tuple[float, str]


def _band(params: Params, before: float | None) -> tuple[list[Bound], list[Bound]]:
    """The absolute bound of each side, then the one relative to what ran before."""
    floors = [(float(params["min_fps"]), "are required")] if "min_fps" in params else []
    ceilings = [(float(params["max_fps"]), "at most")] if "max_fps" in params else []
    if before is not None and "min_fps_ratio" in params:
        floors.append((float(params["min_fps_ratio"]) * before, "are required by what ran before"))
    if before is not None and "max_fps_ratio" in params:
        ceilings.append((float(params["max_fps_ratio"]) * before, "at most by what ran before"))
    return floors, ceilings


def _counters(params: Params, earlier: Metrics, metrics: Metrics, elapsed_s: float) -> Iterator[str]:
    processed = _rise(earlier, metrics, PROCESSED)
    if processed is None:
        return
    if processed == 0 and elapsed_s * float(params.get("min_fps", 0.0)) >= FRAMES_TO_MISS:
        yield f"no frame was processed in {elapsed_s:.1f} s"
    frozen, black = _rise(earlier, metrics, FROZEN), _rise(earlier, metrics, BLACK)
    if frozen is not None and 0 < processed < frozen / _limit(params, "max_frozen_ratio", MAX_FROZEN_RATIO):
        yield f"frozen frames: {frozen:.0f} of {processed:.0f} frames are identical to the one before"
    if black is not None and 0 < processed < black / _limit(params, "max_black_ratio", 1.0):
        yield f"black frames: {black:.0f} of {processed:.0f}"
    captured = _rise(earlier, metrics, CAPTURED)
    if captured and processed / captured < float(params.get("min_processed_ratio", 0.0)):
        yield f"{processed:.0f} of {captured:.0f} captured frames were processed"


def _limit(params: Params, name: str, default: float) -> float:
    """A ratio to divide by: zero tolerates nothing."""
    return max(1e-9, float(params.get(name, default)))


def _restarts(params: Params, begun: Metrics, metrics: Metrics, cycles: int) -> Iterator[str]:
    rise = _rise(begun, metrics, RESTARTS)
    if rise is not None and "max_restarts" in params and rise - cycles > float(params["max_restarts"]):
        allowed = float(params["max_restarts"])
        yield f"the pipeline restarted {rise - cycles:.0f} times by itself, {allowed:.0f} allowed"


def _rise(earlier: Metrics, metrics: Metrics, name: str) -> float | None:
    """How much a counter rose; None where it is missing or began anew."""
    if name not in earlier or name not in metrics or metrics[name] < earlier[name]:
        return None
    return metrics[name] - earlier[name]


def _missing(params: Params, alive: Mapping[str, Metrics], baseline: Metrics) -> dict[str, str]:
    """Streams that are gone, by name where the baseline knows it."""
    live = sum(metrics[FPS] > 0 for metrics in alive.values())
    were = {n: value for n, value in _streams_before(baseline) if value > 0}
    gone = {n: value for n, value in were.items() if n not in alive}
    problems: dict[str, str] = {}
    if live < len(were):
        problems = {n: f"it is gone; it delivered {value:.1f} frames a second before" for n, value in gone.items()}
    if live < float(params.get("streams", 0.0)):
        problems[""] = f"{live} live streams, {float(params['streams']):.0f} are required"
    return problems


def _streams_before(baseline: Metrics) -> Iterable[tuple[str, float]]:
    for name, value in baseline.items():
        if name.startswith(f"{FPS}{{"):
            yield name[len(FPS) + 1 : -1], value


def _measured(alive: Mapping[str, Metrics]) -> dict[str, float]:
    """The worst of all streams under the plain names, and each stream's rate under its own."""
    fps = {name: metrics[FPS] for name, metrics in alive.items()}
    ages = [metrics[AGE] for metrics in alive.values() if AGE in metrics]
    frozen = [metrics[FROZEN] for metrics in alive.values() if FROZEN in metrics]
    worst = {FPS: min(fps.values())}
    worst.update({name: max(values) for name, values in ((AGE, ages), (FROZEN, frozen)) if values})
    return {**worst, **{key(FPS, name): value for name, value in fps.items()}}
