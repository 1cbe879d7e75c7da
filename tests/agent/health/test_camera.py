from __future__ import annotations

import pytest

from surefoot_agent.health.camera import View, judge, view
from surefoot_agent.scrape import Series


def at(seconds: float, start: str = "s1", **metrics: float) -> View:
    return View(seconds, start, {"": {f"camera_{name}": value for name, value in metrics.items()}})


def counters(seconds: float, processed: float, frozen: float, captured: float | None = None, fps: float = 10) -> View:
    return at(
        seconds,
        fps=fps,
        frame_age_s=0.1,
        frames_processed_total=processed,
        frozen_frames_total=frozen,
        frames_captured_total=processed if captured is None else captured,
    )


PARAMS = {"min_fps": 8.0, "max_frame_age_s": 2.0}


def test_a_camera_that_delivers_is_good_and_measured() -> None:
    found = judge(PARAMS, counters(0, 0, 0), counters(1, 10, 0), None)

    assert found.problems == ()
    assert found.measured == {"camera_fps": 10.0, "camera_frame_age_s": 0.1, "camera_frozen_frames_total": 0.0}


def test_frozen_frames_are_found_though_rate_and_age_are_fine() -> None:
    found = judge(PARAMS, counters(0, 100, 0), counters(1, 110, 10), None)

    assert found.problems == ("frozen frames: 10 of 10 frames are identical to the one before",)


def test_a_few_identical_frames_are_no_frozen_camera() -> None:
    assert judge(PARAMS, counters(0, 100, 0), counters(1, 110, 5), None).problems == ()
    assert judge({**PARAMS, "max_frozen_ratio": 0.2}, counters(0, 100, 0), counters(1, 110, 5), None).problems != ()


def test_frames_frozen_long_ago_do_not_count_now() -> None:
    assert judge(PARAMS, counters(0, 500, 400), counters(1, 510, 400), None).problems == ()


def test_a_pipeline_that_stands_still_is_found_though_its_gauge_is_fine() -> None:
    assert "no frame was processed" in judge(PARAMS, counters(0, 100, 0), counters(1, 100, 0), None).problems[0]


def test_two_looks_in_quick_succession_do_not_call_a_slow_camera_still() -> None:
    assert judge({"min_fps": 0.5}, counters(0, 100, 0, fps=1), counters(1, 100, 0, fps=1), None).problems == ()


def test_a_pipeline_that_skips_what_it_captures_is_found() -> None:
    found = judge({"min_processed_ratio": 0.8}, counters(0, 0, 0), counters(1, 5, 0, captured=10), None)

    assert found.problems == ("5 of 10 captured frames were processed",)


@pytest.mark.parametrize(
    ("metrics", "params", "words"),
    [
        ({"fps": 7.9, "frame_age_s": 0.1}, PARAMS, "7.9 frames a second"),
        ({"fps": 99.0, "frame_age_s": 0.1}, {"max_fps": 40.0}, "at most"),
        ({"fps": 10.0, "frame_age_s": 2.5}, PARAMS, "2.5 s old"),
        ({"fps": 10.0}, PARAMS, "no camera_frame_age_s"),
        ({"frame_age_s": 0.1}, PARAMS, "shows no camera_fps"),
        ({}, PARAMS, "shows no camera_fps"),
    ],
)
def test_every_gauge_out_of_its_band_is_named(metrics: dict[str, float], params: dict[str, float], words: str) -> None:
    assert words in "".join(judge(params, None, at(1, **metrics), None).problems)


def test_the_rate_is_compared_with_what_ran_before_where_that_is_known() -> None:
    now, params = at(1, fps=10.0), {"min_fps_ratio": 0.8}

    assert judge(params, None, now, 12.0).problems == ()
    assert judge(params, None, now, 13.0).problems == ("10.0 frames a second, 10.4 are required by what ran before",)
    assert judge(params, None, now, None).problems == ()


def test_counters_of_another_start_are_not_compared() -> None:
    before = View(0, "s0", counters(0, 0, 0).streams)

    assert judge(PARAMS, before, counters(1, 10, 10), None).problems == ()


def test_a_counter_that_began_anew_is_not_compared() -> None:
    assert judge(PARAMS, counters(0, 100, 100), counters(1, 10, 10), None).problems == ()


def test_the_worst_stream_decides_and_is_named() -> None:
    series = [Series("camera_fps", 10.0, {"camera": "north"}), Series("camera_fps", 2.0, {"camera": "south"})]

    found = judge({"min_fps": 8.0}, None, view(0, "s", series), None)

    assert found.problems == ("camera=south: 2.0 frames a second, 8.0 are required",)
    assert found.measured["camera_fps"] == 2.0


def test_metrics_that_are_not_the_cameras_make_no_stream() -> None:
    assert view(0, "s", [Series("python_info", 1.0, {"version": "3"})]).streams == {}
