"""One metric: matching, what is left out, what may fail and what may only be held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_server.rollouts.gate import Against, MetricObjective, Scale
from surefoot_server.rollouts.judge.measured import DRAWN, Look, MetricMeasure, Reading, matched, measure_metric
from surefoot_shared.status import Verdict

FPS = MetricObjective("camera_fps", Against.CONTROL, Scale.RATIO, low=0.97, critical=True)
LATENCY = MetricObjective("inference_p95_s", Against.BASELINE, Scale.RATIO, high=1.3, critical=True)
HEAT = MetricObjective("soc_temperature_c", Against.LIMIT, Scale.VALUE, high=80.0, critical=True)
SLOPE = MetricObjective("memory_slope", Against.CONTROL, Scale.DIFFERENCE, high=1000.0, critical=True)


def reading(
    name: str, before: float | None, after: float | None, *, canary: bool = True, site: str = "hanoi"
) -> Reading:
    return Reading(name, "pi", site, canary, before, after)


def group(n: int, before: float, after: float, *, canary: bool = True) -> list[Reading]:
    side = "c" if canary else "r"
    return [reading(f"{side}{i}", before + i / 100, after + i / 99, canary=canary) for i in range(n)]


def judged(
    objective: MetricObjective, readings: list[Reading], number: int = 1, of: int = 1, needed: int = 1
) -> MetricMeasure:
    exist = any(not r.canary for r in readings)
    return measure_metric(objective, Look(number, of, {objective.key: readings}), needed, controls_exist=exist)


def test_an_evening_that_slows_all_cameras_is_no_fault_of_the_release() -> None:
    found = judged(FPS, group(6, 30, 20) + group(30, 30, 20, canary=False))

    assert found.verdict is Verdict.PASS
    assert found.estimate == pytest.approx(1.0, abs=0.01)
    assert (found.canary.before, found.canary.after) == (pytest.approx(30.02, abs=0.01), pytest.approx(20.02, abs=0.01))


def test_a_drop_beyond_the_evenings_own_fails() -> None:
    found = judged(FPS, group(6, 30, 17) + group(30, 30, 20, canary=False))

    assert found.verdict is Verdict.FAIL
    assert found.estimate == pytest.approx(0.85, abs=0.01)
    assert found.at_most is not None
    assert found.at_most < 0.97
    assert found.effect == 0.0


def test_a_camera_that_was_dead_before_says_nothing_and_is_counted() -> None:
    found = judged(FPS, [reading("dead", 0.0, 0.0), *group(6, 30, 30), *group(30, 30, 30, canary=False)])

    assert (found.verdict, found.missing, found.canary.devices) == (Verdict.PASS, 1, 6)


def test_cameras_that_die_after_the_update_fail_it() -> None:
    dying = [replace(r, after=0.0) for r in group(6, 30, 30)]

    assert judged(FPS, dying + group(30, 30, 30, canary=False)).verdict is Verdict.FAIL


def test_within_the_limit_is_tested_against_the_limit_and_not_against_no_difference() -> None:
    small = judged(replace(FPS, low=0.9), group(20, 30, 28.5) + group(100, 30, 30, canary=False))

    assert small.verdict is Verdict.PASS
    assert small.at_most is not None
    assert small.at_most < 1.0


def test_four_against_four_at_98_percent_can_never_fail_and_says_so() -> None:
    strict = replace(FPS, confidence=0.99)

    fine = judged(strict, group(4, 30, 30) + group(4, 30, 30, canary=False))
    bad = judged(strict, group(4, 30, 10) + group(4, 30, 30, canary=False))

    assert "so few could not be sure of a difference: p is 0.014 at best" in fine.reason
    assert (bad.verdict, bad.smallest_p) == (Verdict.HOLD, pytest.approx(1 / 70))


def test_three_against_twenty_is_enough_to_fail() -> None:
    assert judged(FPS, group(3, 30, 20) + group(20, 30, 30, canary=False)).verdict is Verdict.FAIL


def test_an_early_look_fails_only_what_is_plain() -> None:
    noisy = group(5, 30, 28) + [reading(f"r{i}", 30, 27.5 + i / 8, canary=False) for i in range(30)]

    early, late = judged(FPS, noisy, 1, 4), judged(FPS, noisy, 4, 4)

    assert early.alpha < late.alpha
    assert early.p == late.p
    assert judged(FPS, group(10, 30, 10) + group(30, 30, 30, canary=False), 1, 4).verdict is Verdict.FAIL


def test_a_device_against_itself_may_fail_where_the_policy_says_so() -> None:
    assert judged(LATENCY, group(8, 0.1, 0.2)).verdict is Verdict.FAIL
    assert judged(LATENCY, group(8, 0.1, 0.1)).verdict is Verdict.PASS
    assert judged(LATENCY, group(3, 0.1, 0.2)).verdict is Verdict.HOLD, "three devices give 1/8 at best"


def test_where_no_control_is_left_the_own_past_stands_in_and_never_fails() -> None:
    found = judged(FPS, group(30, 30, 20))

    assert (found.verdict, found.against) == (Verdict.HOLD, "baseline")
    assert "nobody is left who was not offered it" in found.reason


def test_a_figure_of_the_policy_needs_no_past() -> None:
    hot = [reading(f"c{i}", None, 85 + i / 10) for i in range(8)]

    assert judged(HEAT, hot).verdict is Verdict.FAIL
    assert judged(HEAT, [replace(r, after=60.0 + i) for i, r in enumerate(hot)]).verdict is Verdict.PASS


def test_a_leak_is_a_difference_of_slopes_and_may_start_at_zero() -> None:
    leak = [reading(f"c{i}", 0.0, 50_000.0 + i) for i in range(6)]
    flat = [reading(f"r{i}", 0.0, float(i), canary=False) for i in range(30)]

    assert judged(SLOPE, leak + flat).verdict is Verdict.FAIL


def test_devices_are_matched_by_site_then_by_hardware_and_never_across_hardware() -> None:
    here = [(reading("r1", 1, 1, canary=False), 1.0), (reading("r2", 1, 1, canary=False), 2.0)]
    lone = (reading("r3", 1, 1, canary=False, site="hue"), 3.0)
    other = (Reading("j1", "jetson", "hanoi", False, 1, 1), 9.0)
    canary = [
        (reading("c1", 1, 1), 5.0),
        (reading("c2", 1, 1, site="hue"), 6.0),
        (Reading("x", "x86", "", True, 1, 1), 7.0),
    ]

    assert matched(canary, [*here, lone, other]) == {
        "pi at hanoi": ([5.0], [1.0, 2.0]),
        "pi": ([6.0], [1.0, 2.0, 3.0]),
    }


def test_without_figures_it_waits_and_says_how_many_are_missing() -> None:
    silent = [reading(f"c{i}", 30, None) for i in range(4)]

    found = judged(FPS, silent + group(20, 30, 30, canary=False), needed=4)

    assert (found.verdict, found.wait, found.missing) == (Verdict.HOLD, True, 4)
    assert found.p is None


def test_controls_that_send_nothing_are_waited_for_and_not_replaced() -> None:
    found = judged(FPS, group(4, 30, 20) + [reading(f"r{i}", None, None, canary=False) for i in range(9)])

    assert (found.verdict, found.wait, found.against) == (Verdict.HOLD, True, "control")


def test_a_verdict_carries_what_a_picture_needs() -> None:
    found = judged(FPS, group(6, 30, 20) + group(30, 30, 30, canary=False))

    assert len(found.canary.quantiles) == len(found.control.quantiles) == DRAWN
    assert found.canary.quantiles[0] <= found.canary.median <= found.canary.quantiles[-1]  # type: ignore[operator]
    assert (found.strata, found.look, found.looks, found.confidence) == (1, 1, 1, 0.95)
