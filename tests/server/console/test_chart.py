"""A series as a line: nothing is invented, no extreme is lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from surefoot_server.console import chart
from surefoot_server.console.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from tests.server.rig import NOW

START = NOW - timedelta(hours=1)


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def test_a_line_goes_from_the_first_value_to_the_last() -> None:
    drawn = chart.draw([(at(0), 0.0), (at(30), 10.0), (at(60), 5.0)], START, NOW)

    assert drawn is not None
    assert drawn.path == f"M{LEFT}.0 {HEIGHT - BOTTOM}.0 L{(LEFT + WIDTH - RIGHT) / 2} {TOP}.0 L{WIDTH - RIGHT}.0 93.0"
    assert (drawn.low, drawn.high, drawn.last) == (0.0, 10.0, 5.0)


def test_values_are_marked_at_round_numbers_that_hold_the_line() -> None:
    drawn = chart.draw([(at(0), 3.1), (at(60), 16.9)], START, NOW)

    assert drawn is not None
    assert [tick.value for tick in drawn.values] == [0.0, 5.0, 10.0, 15.0, 20.0]


def test_a_line_that_does_not_move_is_in_the_middle() -> None:
    for value in (0.0, 7.0, -3.0, 1e12):
        drawn = chart.draw([(at(0), value), (at(60), value)], START, NOW)

        assert drawn is not None
        assert drawn.values[0].value < value < drawn.values[-1].value


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    points = [(at(m), 1.0 + m) for m in range(10)] + [(at(m), 1.0 + m) for m in range(40, 50)]

    drawn = chart.draw(points, START, NOW)

    assert drawn is not None
    assert drawn.path.count("M") == 2


def test_a_value_without_a_neighbour_is_a_dot() -> None:
    drawn = chart.draw([(at(30), 4.0)], START, NOW)

    assert drawn is not None
    assert (drawn.path, len(drawn.dots)) == ("", 1)


def test_of_many_values_the_extremes_stay() -> None:
    points = [(START + timedelta(seconds=n), 5.0) for n in range(3600)]
    points[1234] = (points[1234][0], 99.0)

    drawn = chart.draw(points, START, NOW)

    assert drawn is not None
    assert drawn.path.count("L") < WIDTH / 2
    top = min(float(pair.split()[1]) for pair in drawn.path.replace("M", "L").split("L") if pair.strip())
    assert top < TOP + 5


def test_times_are_marked_at_whole_steps() -> None:
    drawn = chart.draw([(at(1), 1.0)], START, NOW)

    assert drawn is not None
    moments = [tick.at for tick in drawn.times]
    assert moments[0] is not None
    assert moments[0].minute % 15 == 0
    assert 3 <= len(moments) <= 7


def test_nothing_measured_is_no_drawing() -> None:
    assert chart.draw([], START, NOW) is None
