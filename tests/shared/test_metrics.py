from __future__ import annotations

import re

import pytest

from surefoot_shared.metrics import METRICS, Better, kind_of

UNITS = {"_s": "s", "_bytes": "B", "_ratio": "1", "_total": "1", "_c": "°C", "_fps": "1/s", "_slope": "B/h"}


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_has_a_name_for_prometheus_and_a_sentence_for_people(name: str) -> None:
    metric = METRICS[name]

    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert metric.meaning.endswith(".")
    assert metric.kind in ("gauge", "counter", "slope")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_unit_is_in_the_name(name: str) -> None:
    suffix = next(s for s in UNITS if name.endswith(s))

    assert METRICS[name].unit == UNITS[suffix]


@pytest.mark.parametrize("name", sorted(METRICS))
def test_counters_and_nothing_else_end_in_total(name: str) -> None:
    assert (METRICS[name].kind == "counter") == name.endswith("_total")


def test_what_the_camera_promises_is_there() -> None:
    assert {"camera_fps", "camera_frame_age_s", "camera_frozen_frames_total", "counts_total"} <= METRICS.keys()


def test_a_slope_names_the_gauge_that_it_is_taken_of() -> None:
    of = {name: METRICS[m.of].kind for name, m in METRICS.items() if m.of}

    assert of == {"memory_slope": "gauge"}
    assert {m.kind for m in METRICS.values() if m.of} == {"slope"}


def test_every_metric_says_which_way_is_good() -> None:
    assert METRICS["camera_fps"].better is Better.HIGHER
    assert METRICS["inference_p95_s"].better is Better.LOWER
    assert METRICS["counts_total"].better is Better.NEITHER


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("memory_slope", "slope"),
        ("counts_total", "counter"),
        ("my_app_errors_total", "counter"),
        ("my_app_heat", "gauge"),
    ],
)
def test_the_type_of_a_name_that_is_not_registered_follows_from_its_ending(name: str, kind: str) -> None:
    assert kind_of(name) == kind
