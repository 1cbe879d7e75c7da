"""The metrics page says what happened, under the registered names, and shows a stall."""

from __future__ import annotations

import re

from surefoot_shared.metrics import METRICS
from surefoot_simulators.camera.meter import Meter

SAMPLE = re.compile(r'([a-z_0-9]+)(?:\{([a-z]+="[^"]*")\})? (-?[0-9.e+-]+)')


def page(meter: Meter, now_s: float) -> dict[str, float]:
    """Parse a page; a line that is no sample and no comment fails."""
    found: dict[str, float] = {}
    for line in meter.text(now_s).splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            found[match[1] + (f"{{{match[2]}}}" if match[2] else "")] = float(match[3])
    return found


def running(frames: int, *, frozen_from: int = 10**9) -> Meter:
    meter = Meter("1.1", 0.0)
    for n in range(frames):
        meter.frame(
            captured_at_s=n / 10, done_at_s=n / 10 + 0.002, inference_s=0.002, dropped=0, frozen=n >= frozen_from
        )
    return meter


def test_a_steady_camera_shows_its_rate_and_a_young_frame() -> None:
    values = page(running(101), 10.05)

    assert round(values["camera_fps"], 2) == 10.0
    assert round(values["camera_frame_age_s"], 3) == 0.05


def test_a_stalled_camera_shows_a_falling_rate_and_an_ageing_frame() -> None:
    meter = running(101)

    assert round(page(meter, 11.55)["camera_fps"], 1) == 5.0
    assert page(meter, 14.0)["camera_fps"] == 0.0
    assert page(meter, 14.0)["camera_frame_age_s"] == 4.0


def test_a_camera_that_never_saw_a_frame_says_so() -> None:
    values = page(Meter("1.1", 0.0), 5.0)

    assert (values["camera_fps"], values["camera_frame_age_s"], values["inference_p95_s"]) == (0.0, 5.0, 0.0)


def test_a_frozen_camera_keeps_its_rate_while_the_frozen_frames_rise() -> None:
    values = page(running(101, frozen_from=60), 10.05)

    assert round(values["camera_fps"], 2) == 10.0
    assert values["camera_frozen_frames_total"] == 41


def test_captured_frames_are_the_processed_and_the_dropped() -> None:
    meter = Meter("1.1", 0.0)
    meter.frame(captured_at_s=1.0, done_at_s=1.0, inference_s=0.01, dropped=9, frozen=False)

    values = page(meter, 1.0)

    assert values["camera_frames_captured_total"] == 10
    assert values["camera_frames_processed_total"] == 1
    assert values["camera_frames_dropped_total"] == 9


def test_the_percentile_names_the_slow_frames_and_forgets_them() -> None:
    meter = Meter("1.1", 0.0)
    for n in range(100):
        slow = n % 10 == 0
        meter.frame(captured_at_s=n, done_at_s=n, inference_s=0.2 if slow else 0.01, dropped=0, frozen=False)
    before = page(meter, 100.0)["inference_p95_s"]
    for n in range(200):
        meter.frame(captured_at_s=n, done_at_s=n, inference_s=0.01, dropped=0, frozen=False)

    assert before == 0.2
    assert page(meter, 200.0)["inference_p95_s"] == 0.01


def test_both_directions_are_one_metric_with_two_labels() -> None:
    meter = Meter("1.1", 0.0)
    meter.counts(12, 7)

    values = page(meter, 1.0)

    assert (values['counts_total{direction="in"}'], values['counts_total{direction="out"}']) == (12, 7)


def test_every_metric_but_the_build_is_in_the_registry() -> None:
    names = {name.split("{")[0] for name in page(running(5), 1.0)}

    assert names - set(METRICS) == {"application_info"}


def test_every_name_has_one_type_line_before_its_samples() -> None:
    lines = running(5).text(1.0).splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]

    assert len(types) == len(set(types))
    assert set(types) == {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}


def test_the_process_reports_its_own_memory() -> None:
    assert page(running(1), 1.0)["memory_bytes"] > 1e6
