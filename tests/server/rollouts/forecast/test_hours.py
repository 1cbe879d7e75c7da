"""Open hours are those that devices are told."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from surefoot_server.rollouts.forecast.hours import Hours
from surefoot_server.rollouts.windows import parse_freeze, parse_window

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
HOUR = 3600 * 1_000_000
NIGHT = parse_window("site-local 01:00-05:00")


def test_without_a_window_it_is_always_open() -> None:
    hours = Hours(None, (), ("",), START)

    assert (hours.opens(0, 5), hours.after(0, 5, 7)) == (5, 12)


def test_a_window_opens_at_the_sites_own_hour() -> None:
    hours = Hours(NIGHT, (), ("UTC", "Asia/Tokyo"), START)

    assert hours.opens(0, 0) == 13 * HOUR
    assert hours.opens(1, 0) == 4 * HOUR
    assert hours.opens(0, 14 * HOUR) == 14 * HOUR


def test_work_is_done_in_open_hours_only() -> None:
    hours = Hours(NIGHT, (), ("UTC",), START)

    assert hours.after(0, 0, HOUR) == 14 * HOUR
    assert hours.after(0, 0, 6 * HOUR) == (13 + 24 + 2) * HOUR


def test_frozen_days_are_closed_and_the_next_one_is_open() -> None:
    hours = Hours(None, (parse_freeze("2026-03-01/2026-03-02"),), ("UTC",), START)

    assert hours.opens(0, 0) == 36 * HOUR
    assert hours.opens(0, 40 * HOUR) == 40 * HOUR


def test_a_window_is_known_for_years() -> None:
    hours, day = Hours(NIGHT, (), ("UTC",), START), 24 * HOUR

    for days in (29, 30, 61, 400):
        opens = START + timedelta(microseconds=hours.opens(0, days * day))
        assert (opens.hour, opens.minute) == (1, 0)
