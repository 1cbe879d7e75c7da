from __future__ import annotations

import re

import pytest

from surefoot_shared.metrics import METRICS

UNITS = {"_s": "s", "_bytes": "B", "_ratio": "1", "_total": "1", "_c": "°C", "_fps": "1/s"}


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_has_a_name_for_prometheus_and_a_sentence_for_people(name: str) -> None:
    metric = METRICS[name]

    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert metric.meaning.endswith(".")
    assert metric.kind in ("gauge", "counter")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_unit_is_in_the_name(name: str) -> None:
    suffix = next(s for s in UNITS if name.endswith(s))

    assert METRICS[name].unit == UNITS[suffix]


@pytest.mark.parametrize("name", sorted(METRICS))
def test_counters_and_nothing_else_end_in_total(name: str) -> None:
    assert (METRICS[name].kind == "counter") == name.endswith("_total")


def test_what_the_camera_promises_is_there() -> None:
    assert {"camera_fps", "camera_frame_age_s", "camera_frozen_frames_total", "counts_total"} <= METRICS.keys()
