"""Figures follow from the seed and what they are about; nights, sites and releases show in them."""

from __future__ import annotations

from statistics import mean

from surefoot_simulators.device.conduct import DAY_S, GOOD, HOUR_S, Conduct, Scenery, Usual


def test_the_same_moment_gives_the_same_figures_and_another_seed_others() -> None:
    here = [Scenery(seed).figures("cam-1", "hue", GOOD, 600.0, 60.0) for seed in (1, 1, 2)]

    assert here[0] == here[1] != here[2]


def test_frames_are_those_of_a_camera_by_day_and_fewer_by_night() -> None:
    scenery = Scenery(1, begins_at_hour=12.0, night_ratio=0.7)
    noon = mean(scenery.figures(f"cam-{i}", "hue", GOOD, 0.0, 60.0)["camera_fps"] for i in range(50))
    night = mean(scenery.figures(f"cam-{i}", "hue", GOOD, DAY_S / 2, 60.0)["camera_fps"] for i in range(50))

    assert 0.9 * Usual().fps < noon < 1.1 * Usual().fps
    assert 0.6 < night / noon < 0.8


def test_a_site_moves_its_cameras_together() -> None:
    scenery = Scenery(3, site_sd=0.5, device_sd=0.0, noise_sd=0.0)
    figures = {name: scenery.figures(name, "hue", GOOD, HOUR_S, 60.0)["camera_fps"] for name in ("a", "b")}

    assert figures["a"] == figures["b"]
    assert scenery.figures("a", "vinh", GOOD, HOUR_S, 60.0)["camera_fps"] != figures["a"]


def test_a_release_shows_in_what_it_changes() -> None:
    scenery, worse = Scenery(1), Conduct(fps_ratio=0.5, latency_ratio=2.0, memory_bytes_per_h=1e6)
    good = scenery.figures("cam-1", "hue", GOOD, 0.0, 2 * HOUR_S)
    bad = scenery.figures("cam-1", "hue", worse, 0.0, 2 * HOUR_S)

    assert bad["camera_fps"] == 0.5 * good["camera_fps"]
    assert bad["inference_p95_s"] == 2 * good["inference_p95_s"]
    assert bad["memory_bytes"] - good["memory_bytes"] == 2e6


def test_draws_fill_zero_to_one_evenly() -> None:
    drawn = [Scenery(1).draw("x", i) for i in range(2000)]

    assert 0.0 <= min(drawn) < max(drawn) < 1.0
    assert 0.47 < mean(drawn) < 0.53


def test_an_application_shows_what_it_is_said_to_show() -> None:
    scenery = Scenery(1, site_sd=0.0, device_sd=0.0, noise_sd=0.0, usual=Usual(12.0, 0.015, 900.0, 5e6))

    shown = scenery.figures("cam-1", "hue", GOOD, 0.0, 3600.0)

    assert (shown["camera_fps"], shown["inference_p95_s"], shown["counts_total"], shown["memory_bytes"]) == (
        12.0,
        0.015,
        900.0,
        5e6,
    )
