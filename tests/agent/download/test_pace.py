from __future__ import annotations

import pytest

from surefoot_agent.download.pace import Pace, Pacing
from surefoot_shared.errors import Unreachable

SLOW = Pacing(min_speed_bytes_per_s=100, min_speed_window_s=10)


def test_one_byte_a_second_is_too_slow_after_the_window() -> None:
    pace = Pace(SLOW, 0.0)
    for second in range(1, 10):
        pace.arrived(1, float(second))

    with pytest.raises(Unreachable) as caught:
        pace.arrived(1, 10.0)

    assert caught.value.kind == "too_slow"


def test_a_pause_within_a_good_window_is_forgiven() -> None:
    pace = Pace(SLOW, 0.0)

    assert pace.arrived(1000, 1.0) == 0.0
    assert pace.arrived(1, 10.0) == 0.0


def test_a_fast_beginning_does_not_excuse_a_later_trickle() -> None:
    pace = Pace(SLOW, 0.0)
    pace.arrived(1_000_000, 10.0)

    with pytest.raises(Unreachable):
        pace.arrived(10, 20.0)


def test_a_floor_of_zero_never_leaves() -> None:
    assert Pace(Pacing(0, 10), 0.0).arrived(1, 1000.0) == 0.0


def test_the_rate_says_how_long_to_wait() -> None:
    pace = Pace(Pacing(0, 10, rate_bytes_per_s=100), 0.0)

    assert pace.arrived(200, 1.0) == pytest.approx(1.0)
    assert pace.arrived(0, 5.0) == 0.0


@pytest.mark.parametrize(
    ("own", "leased", "rate", "floor"),
    [
        (0, None, 0, 100),
        (500, None, 500, 100),
        (0, 400, 400, 100),
        (500, 400, 400, 100),
        (0, 50, 50, 25),
        (30, 50, 30, 15),
    ],
)
def test_the_stricter_rate_holds_and_is_never_itself_too_slow(
    own: int, leased: int | None, rate: int, floor: int
) -> None:
    under = Pacing(100, 10, own).under(leased)

    assert (under.rate_bytes_per_s, under.min_speed_bytes_per_s) == (rate, floor)
