"""The gate: each objective as it is written, or an error that names line and field."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts import document
from surefoot_server.rollouts.gate import (
    Against,
    Baseline,
    Gate,
    MetricObjective,
    Objective,
    ObjectiveMetric,
    Scale,
    parse,
)
from surefoot_shared.errors import Invalid


def gate(text: str) -> Gate:
    return parse(document.parse(f"gate: {text}").mapping("gate")["gate"])


def wrong(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        gate(text)
    return caught.value.message


def test_without_a_gate_the_careful_one_holds() -> None:
    assert parse(document.parse("").mapping("gate")["gate"]) == Gate()


def test_an_outcome_has_a_limit_and_a_tripwire() -> None:
    found = gate("{objectives: [{metric: lost, fail_if_surely_above: 1%, confidence: 0.95, tripwire: 1}]}")

    assert found.objectives == (Objective(ObjectiveMetric.LOST, 0.01, 0.95, 1),)


def test_a_gate_without_objectives_is_refused() -> None:
    assert "would pass anything" in wrong("{objectives: []}")


def test_proved_below_is_a_keyword_of_its_own_and_needs_no_limit_beside_it() -> None:
    found = gate("{objectives: [{metric: failed, pass_if_proved_below: 2%}]}")

    assert found.objectives == (Objective(ObjectiveMetric.FAILED, None, 0.9, pass_if_proved_below=0.02),)


def test_a_metric_says_against_what_and_within_which_bounds() -> None:
    found = gate(
        """
  looks: 6
  objectives:
    - {metric: failed, fail_if_surely_above: 2%}
    - {metric: camera_fps, against: control, min_ratio: 0.97, critical: true}
    - {metric: inference_p95_s, against: baseline, max_ratio: 1.3, baseline: same_hours, confidence: 0.99}
    - {metric: soc_temperature_c, max: 85}
    - {metric: memory_slope, against: control, max_increase: 1000000, max_decrease: 5}
    - {metric: my_app_backlog, against: control, dry_run: true}
"""
    )

    assert found.looks == 6
    assert found.metrics == (
        MetricObjective("camera_fps", Against.CONTROL, Scale.RATIO, low=0.97, critical=True),
        MetricObjective(
            "inference_p95_s",
            Against.BASELINE,
            Scale.RATIO,
            high=1.3,
            confidence=0.99,
            baseline=Baseline.SAME_HOURS,
        ),
        MetricObjective("soc_temperature_c", Against.LIMIT, Scale.VALUE, high=85.0),
        MetricObjective("memory_slope", Against.CONTROL, Scale.DIFFERENCE, low=-5.0, high=1000000.0),
        MetricObjective("my_app_backlog", Against.CONTROL, Scale.RATIO, dry_run=True),
    )


def test_one_metric_may_be_judged_in_two_ways_but_in_each_only_once() -> None:
    both = "{metric: camera_fps, against: control, min_ratio: 0.9}, {metric: camera_fps, min: 10}"

    assert len(gate(f"{{objectives: [{both}]}}").metrics) == 2
    assert "each metric may have one objective" in wrong(f"{{objectives: [{both}, {{metric: camera_fps, max: 9}}]}}")


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (
            "{metric: camera_fps, against: control}",
            "it needs a bound (min_ratio, max_ratio, max_decrease, max_increase)",
        ),
        ("{metric: camera_fps}", "it needs a bound (min, max)"),
        ("{metric: camera_fps, min_ratio: 0.9}", "against limit it takes bounds of one kind, of min, max"),
        ("{metric: camera_fps, against: control, min: 3}", "against control it takes bounds of one kind"),
        ("{metric: camera_fps, against: control, min_ratio: 1, max_increase: 3}", "bounds of one kind"),
        ("{metric: camera_fps, against: control, min_ratio: 0}", "min_ratio: a ratio is above 0"),
        ("{metric: camera_fps, min: 5, max: 4}", "its lower bound is above its upper one"),
        (
            "{metric: camera_fps, against: yesterday, min_ratio: 1}",
            "'yesterday' is not one of control, baseline, limit",
        ),
        ("{metric: Camera FPS, min: 5}", "'Camera FPS' is not one of failed, reverted, lost, refused, and no name"),
        ("{metric: revertd, fail_if_surely_above: 1%}", "'revertd' is not one of failed, reverted, lost, refused"),
        ("{metric: failed, min: 5}", "gate.objectives[0].min: this key is not known"),
        ("{metric: failed, fail_if_surely_above: 1%, dry_run: true}", "would pass anything"),
        ("{metric: camera_fps, min: 5%}", "gate.objectives[0].min: '5%' is not a number"),
    ],
)
def test_a_bound_that_no_verdict_would_use_is_refused(objective: str, message: str) -> None:
    assert message in wrong(f"{{objectives: [{objective}]}}")


def test_a_gate_that_only_adds_metrics_still_counts_failed_reverted_and_lost_devices() -> None:
    found = gate("{objectives: [{metric: camera_fps, min: 5}]}")

    assert found.objectives == Gate().objectives
    assert len(found.metrics) == 1
