"""Plots of stored numbers: everything at its place on one scale."""

from __future__ import annotations

import pytest

from surefoot_server.console import plots
from surefoot_server.console.plots import HEIGHT, WIDTH


def metric(canary: list[float], control: list[float], **more: object) -> dict[str, object]:
    def group(values: list[float]) -> dict[str, object]:
        return {"devices": len(values), "quantiles": values}

    fields: dict[str, object] = {
        "canary": group(canary),
        "control": group(control),
        "low": None,
        "high": None,
        "at_least": None,
        "at_most": None,
        "estimate": None,
    }
    return fields | more


def spread(start: float, step: float) -> list[float]:
    return [start + step * i for i in range(21)]


def test_canary_and_control_share_one_scale() -> None:
    found = plots.of_metric(metric(spread(0.9, 0.01), spread(0.95, 0.01)))

    assert found is not None
    canary, control = found.rows
    assert canary.median < control.median
    assert canary.quarter < canary.median < canary.three
    assert control.quarter - canary.quarter == pytest.approx(control.three - canary.three, abs=0.2)


def test_a_bound_is_always_in_the_picture_and_the_allowed_stretch_ends_there() -> None:
    found = plots.of_metric(metric(spread(1.0, 0.001), spread(1.0, 0.001), low=0.97, at_least=0.99, at_most=1.02))

    assert found is not None
    (bound,) = found.bounds
    assert 0 < bound < WIDTH
    assert found.allowed == (bound, WIDTH)
    assert found.surely is not None
    assert bound < found.surely[0] < found.surely[1]


def test_a_device_far_out_does_not_squeeze_the_others() -> None:
    values = spread(1.0, 0.01)

    found = plots.of_metric(metric([*values[:-1], 1e6], values))

    assert found is not None
    assert found.rows[0].high == WIDTH
    assert found.rows[0].three - found.rows[0].quarter > WIDTH / 4


def test_ticks_are_round_and_few() -> None:
    found = plots.of_metric(metric(spread(24.0, 0.05), []))

    assert found is not None
    assert 3 <= len(found.ticks) <= 9
    assert found.ticks[0][1] == "24"


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5])
def test_devices_that_all_say_the_same_are_a_picture_too(value: float) -> None:
    found = plots.of_metric(metric([value] * 21, [value] * 21, high=value))

    assert found is not None
    assert found.rows[0].low == found.rows[0].high == found.bounds[0]


def test_nothing_measured_is_no_picture() -> None:
    assert plots.of_metric(metric([], [])) is None


def test_the_curve_rises_from_no_device_to_all() -> None:
    found = plots.of_metric(metric(spread(0, 1), []))

    assert found is not None
    places = [tuple(map(float, point.split(","))) for point in found.rows[0].curve.split()]
    assert (places[0][1], places[-1][1]) == (HEIGHT, 0.0)
    assert places == sorted(places, key=lambda p: p[0])


def test_a_rate_lies_between_its_bounds_and_its_limit_is_drawn() -> None:
    found = plots.of_rate(
        {"rate": 0.05, "surely_above": 0.012, "proved_below": 0.12, "limit": 0.02, "must_be_below": None, "count": 2}
    )

    assert 0 < found["least"] < found["limit"] < found["rate"] < found["most"] <= WIDTH


def test_a_rate_of_nothing_keeps_its_limit_in_sight() -> None:
    found = plots.of_rate(
        {"rate": 0.0, "surely_above": 0.0, "proved_below": 1.0, "limit": None, "must_be_below": 0.02, "count": 0}
    )

    assert found["rate"] == 0.0
    assert found["limit"] == WIDTH / 2
    assert found["most"] == WIDTH
