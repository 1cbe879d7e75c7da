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
    found = judge(PARAMS, counters(0, 0, 0), counters(1, 10, 0), {})

    assert found.problems == {}
    assert found.measured == {"camera_fps": 10.0, "camera_frame_age_s": 0.1, "camera_frozen_frames_total": 0.0}


def test_frozen_frames_are_found_though_rate_and_age_are_fine() -> None:
    found = judge(PARAMS, counters(0, 100, 0), counters(1, 110, 10), {})

    assert found.problems == {"": "frozen frames: 10 of 10 frames are identical to the one before"}


def test_a_few_identical_frames_are_no_frozen_camera() -> None:
    assert judge(PARAMS, counters(0, 100, 0), counters(1, 110, 5), {}).problems == {}
    assert judge({**PARAMS, "max_frozen_ratio": 0.2}, counters(0, 100, 0), counters(1, 110, 5), {}).problems != {}


def test_frames_frozen_long_ago_do_not_count_now() -> None:
    assert judge(PARAMS, counters(0, 500, 400), counters(1, 510, 400), {}).problems == {}


def test_a_pipeline_that_stands_still_is_found_though_its_gauge_is_fine() -> None:
    assert "no frame was processed" in judge(PARAMS, counters(0, 100, 0), counters(1, 100, 0), {}).problems[""]


def test_two_looks_in_quick_succession_do_not_call_a_slow_camera_still() -> None:
    assert judge({"min_fps": 0.5}, counters(0, 100, 0, fps=1), counters(1, 100, 0, fps=1), {}).problems == {}


def test_a_pipeline_that_skips_what_it_captures_is_found() -> None:
    found = judge({"min_processed_ratio": 0.8}, counters(0, 0, 0), counters(1, 5, 0, captured=10), {})

    assert found.problems == {"": "5 of 10 captured frames were processed"}


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
    assert words in "".join(judge(params, None, at(1, **metrics), {}).problems.values())


def test_the_rate_is_compared_with_what_ran_before_where_that_is_known() -> None:
    now, params = at(1, fps=10.0), {"min_fps_ratio": 0.8}

    assert judge(params, None, now, {"camera_fps": 12.0}).problems == {}
    assert judge(params, None, now, {"camera_fps": 13.0}).problems == {
        "": "10.0 frames a second, 10.4 are required by what ran before"
    }
    assert judge(params, None, now, {}).problems == {}


def test_counters_of_another_start_are_not_compared() -> None:
    before = View(0, "s0", counters(0, 0, 0).streams)

    assert judge(PARAMS, before, counters(1, 10, 10), {}).problems == {}


def test_a_counter_that_began_anew_is_not_compared() -> None:
    assert judge(PARAMS, counters(0, 100, 100), counters(1, 10, 10), {}).problems == {}


def test_the_worst_stream_decides_and_is_named() -> None:
    series = [Series("camera_fps", 10.0, {"camera": "north"}), Series("camera_fps", 2.0, {"camera": "south"})]

    found = judge({"min_fps": 8.0}, None, view(0, "s", series), {})

    assert found.problems == {"camera=south": "2.0 frames a second, 8.0 are required"}
    assert found.measured["camera_fps"] == 2.0


def test_metrics_that_are_not_the_cameras_make_no_stream() -> None:
    assert view(0, "s", [Series("python_info", 1.0, {"version": "3"})]).streams == {}


def streams(seconds: float, **of: dict[str, float]) -> View:
    named = {f"stream={n}": {f"camera_{metric}": v for metric, v in values.items()} for n, values in of.items()}
    return View(seconds, "s1", named)


FOUR = {f"camera_fps{{stream={n}}}": 10.0 for n in "abcd"}


def test_one_dead_stream_of_four_is_named_and_the_others_are_not() -> None:
    now = streams(1, a={"fps": 10}, b={"fps": 10}, c={"fps": 0}, d={"fps": 10})

    assert judge({"min_fps": 8.0}, None, now, {}).problems == {"stream=c": "0.0 frames a second, 8.0 are required"}


def test_a_stream_without_frames_is_found_though_nothing_was_asked_of_its_rate() -> None:
    assert judge({}, None, streams(1, a={"fps": 10}, b={"fps": 0}), {}).problems == {
        "stream=b": "it delivers no frames"
    }


def test_a_stream_that_is_gone_since_the_update_is_named() -> None:
    now = streams(1, a={"fps": 10}, b={"fps": 10}, d={"fps": 10})

    assert judge({}, None, now, FOUR).problems == {"stream=c": "it is gone; it delivered 10.0 frames a second before"}


def test_as_many_streams_under_other_names_are_as_many_streams() -> None:
    now = streams(1, **{name: {"fps": 10.0} for name in "wxyz"})

    assert judge({"min_fps_ratio": 0.9}, None, now, FOUR).problems == {}


def test_a_stream_that_was_dead_before_is_not_missed() -> None:
    now = streams(1, a={"fps": 10}, b={"fps": 10}, d={"fps": 10})
    before = {**FOUR, "camera_fps{stream=c}": 0.0}

    assert judge({}, None, now, before).problems == {}


def test_too_few_live_streams_are_counted() -> None:
    now = streams(1, a={"fps": 10}, b={"fps": 0})

    assert judge({"streams": 2}, None, now, {}).problems == {
        "stream=b": "it delivers no frames",
        "": "1 live streams, 2 are required",
    }


def test_each_stream_is_compared_with_itself_before() -> None:
    now = streams(1, a={"fps": 10}, b={"fps": 30})
    before = {"camera_fps": 10.0, "camera_fps{stream=a}": 30.0, "camera_fps{stream=b}": 10.0}

    found = judge({"min_fps_ratio": 0.8, "max_fps_ratio": 1.5}, None, now, before)

    assert found.problems == {
        "stream=a": "10.0 frames a second, 24.0 are required by what ran before",
        "stream=b": "30.0 frames a second, 15.0 at most by what ran before",
    }


def test_every_stream_is_measured_under_its_own_name() -> None:
    assert judge({}, None, streams(1, a={"fps": 10}, b={"fps": 9}), {}).measured == {
        "camera_fps": 9.0,
        "camera_fps{stream=a}": 10.0,
        "camera_fps{stream=b}": 9.0,
    }


def black(seconds: float, processed: float, dark: float, restarts: float = 0) -> View:
    return at(seconds, fps=10, frames_processed_total=processed, black_frames_total=dark, restarts_total=restarts)


def test_black_frames_are_a_problem_only_where_the_release_says_so() -> None:
    before, now = black(0, 0, 0), black(1, 10, 10)

    assert judge({"max_black_ratio": 0.9}, before, now, {}).problems == {"": "black frames: 10 of 10"}
    assert judge({}, before, now, {}).problems == {}


def test_no_frozen_frame_is_tolerated_where_the_limit_is_zero() -> None:
    assert judge({"max_frozen_ratio": 0}, counters(0, 0, 0), counters(1, 10, 1), {}).problems != {}
    assert judge({"max_frozen_ratio": 0}, counters(0, 0, 0), counters(1, 10, 0), {}).problems == {}


@pytest.mark.parametrize(
    ("param", "metric"),
    [
        ("max_black_ratio", "camera_black_frames_total"),
        ("max_frozen_ratio", "camera_frozen_frames_total"),
        ("min_processed_ratio", "camera_frames_captured_total"),
        ("max_restarts", "camera_restarts_total"),
    ],
)
def test_a_bound_on_a_metric_that_the_application_does_not_show_is_no_pass(param: str, metric: str) -> None:
    assert judge({param: 0.5}, None, at(1, fps=10), {}).problems == {"": f"no {metric}"}


def test_restarts_count_from_the_first_look_and_those_that_were_ordered_do_not() -> None:
    first, before, now = black(0, 0, 0, 5), black(9, 90, 0, 6), black(10, 100, 0, 8)

    assert "restarted 3 times" in judge({"max_restarts": 2}, before, now, {}, first).problems[""]
    assert judge({"max_restarts": 2}, before, now, {}, first, cycles=2).problems == {}
