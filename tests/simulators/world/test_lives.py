"""Spans of what ran, and who ran one half of what belongs together."""

from __future__ import annotations

import pytest

from surefoot_shared.status import AttemptState, SlotName
from surefoot_simulators.world.lives import last, parted, spans
from surefoot_simulators.world.recording import Point


def point(t: float, version: str | None, *also: str, state: AttemptState = AttemptState.IDLE) -> Point:
    return Point(t, "cam-1", state, version, SlotName.A, True, also)


def test_every_component_has_spans_of_its_own_and_what_is_dark_has_none() -> None:
    points = [point(0.0, "1.0", "m1"), point(5.0, None, "m1"), point(8.0, "1.1", "m2")]

    assert spans(points, 20.0) == {
        "cam-1": [(0.0, 5.0, "1.0"), (0.0, 5.0, "m1"), (5.0, 8.0, "m1"), (8.0, 20.0, "1.1"), (8.0, 20.0, "m2")]
    }
    assert last(points)["cam-1"].version == "1.1"


@pytest.mark.parametrize(
    ("points", "names"),
    [
        ([point(0.0, "1.0", "m1"), point(9.0, "1.1", "m2")], []),
        ([point(0.0, "1.1", "m1")], ["cam-1"]),
        ([point(0.0, "1.0", "m2")], ["cam-1"]),
        ([point(0.0, "1.1", "m1", state=AttemptState.SWITCHING)], []),
        ([point(0.0, None, "m2"), point(0.0, "1.1", "")], []),
    ],
)
def test_one_half_at_rest_is_parted_and_one_on_its_way_is_not(points: list[Point], names: list[str]) -> None:
    assert parted(points, ("1.1", "m2")) == names
