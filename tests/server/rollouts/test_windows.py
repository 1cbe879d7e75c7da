"""Hours of a site in UTC: over midnight, over both clock changes, around days on which nothing changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from surefoot_server.rollouts.switching import RENEW_BEFORE
from surefoot_server.rollouts.windows import (
    HORIZON,
    Freeze,
    Window,
    intervals,
    known_zone,
    open_since,
    parse_freeze,
    parse_window,
)

BERLIN, HANOI = "Europe/Berlin", "Asia/Ho_Chi_Minh"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def window(text: str) -> Window:
    found = parse_window(text)
    assert found is not None
    return found


def shown(text: str, zone: str, since: str, count: int = 1) -> list[str]:
    found = intervals(window(text), (), zone, utc(since))[:count]
    return [f"{a:%d %H:%M}-{b:%d %H:%M}" for a, b in found]


def test_the_same_words_are_other_hours_at_each_site() -> None:
    assert shown("site-local 01:00-05:00", BERLIN, "2026-01-10T12:00") == ["11 00:00-11 04:00"]
    assert shown("site-local 01:00-05:00", HANOI, "2026-01-10T12:00") == ["10 18:00-10 22:00"]
    assert shown("UTC 01:00-05:00", HANOI, "2026-01-10T12:00") == ["11 01:00-11 05:00"]


def test_a_window_over_midnight_is_one_and_an_open_one_is_told_from_now_on() -> None:
    assert shown("UTC 22:00-04:00", "", "2026-01-10T23:30", 2) == ["10 23:30-11 04:00", "11 22:00-12 04:00"]
    assert shown("UTC 22:00-04:00", "", "2026-01-11T03:00") == ["11 03:00-11 04:00"]


def test_a_window_keeps_its_wall_clock_hours_when_the_clocks_change() -> None:
    before, after = shown("site-local 04:00-06:00", BERLIN, "2026-03-27T12:00", 2)

    assert before == "28 03:00-28 05:00"
    assert after == "29 02:00-29 04:00"


def test_an_hour_that_is_skipped_is_moved_behind_the_gap() -> None:
    assert shown("site-local 02:30-03:30", BERLIN, "2026-03-28T12:00") == ["29 01:00-29 01:30"]
    assert shown("site-local 01:00-02:30", BERLIN, "2026-03-28T12:00") == ["29 00:00-29 01:00"]
    assert shown("site-local 02:10-02:50", BERLIN, "2026-03-28T12:00") == ["30 00:10-30 00:50"]


def test_an_hour_that_comes_twice_is_open_both_times() -> None:
    found = intervals(window("site-local 02:00-03:00"), (), BERLIN, utc("2026-10-24T12:00"))[0]

    assert found == (utc("2026-10-25T00:00"), utc("2026-10-25T02:00"))


def test_frozen_days_are_cut_out_in_the_sites_own_time() -> None:
    freeze = (Freeze(date(2026, 12, 24), date(2026, 12, 26)),)
    found = intervals(window("site-local 22:00-02:00"), freeze, BERLIN, utc("2026-12-23T12:00"))

    assert found[0] == (utc("2026-12-23T21:00"), utc("2026-12-23T23:00"))
    assert found[1] == (utc("2026-12-26T23:00"), utc("2026-12-27T01:00"))


def test_a_freeze_without_a_window_leaves_everything_around_it_open() -> None:
    freeze = (Freeze(date(2026, 12, 24), date(2026, 12, 24)),)
    found = intervals(None, freeze, "", utc("2026-12-23T12:00"))

    assert found[0] == (utc("2026-12-23T12:00"), utc("2026-12-24T00:00"))
    assert found[1][0] == utc("2026-12-25T00:00")
    assert open_since(None, freeze, "", utc("2026-12-24T12:00")) is None
    assert open_since(None, freeze, "", utc("2026-12-25T12:00")) == utc("2026-12-25T00:00")


def test_a_freeze_of_months_is_never_taken_for_any_time() -> None:
    freeze = (Freeze(date(2026, 1, 1), date(2026, 12, 31)),)
    since = utc("2026-03-01T00:00")

    assert intervals(None, freeze, "", since)[0][0] >= since + HORIZON
    assert open_since(None, freeze, "", since) is None


def test_no_window_and_no_freeze_is_any_time() -> None:
    assert parse_window("any") is None
    assert intervals(None, (), BERLIN, utc("2026-01-01T00:00")) == ()
    assert open_since(None, (), BERLIN, utc("2026-01-01T00:00")) is not None


def test_since_when_it_is_open_is_told_and_a_closed_one_has_none() -> None:
    night = window("UTC 22:00-04:00")

    assert open_since(night, (), "", utc("2026-01-11T03:00")) == utc("2026-01-10T22:00")
    assert open_since(night, (), "", utc("2026-01-11T04:00")) is None


def test_a_site_whose_zone_is_unknown_counts_as_utc() -> None:
    assert not known_zone("Mars/Olympus")
    assert known_zone(HANOI)
    assert shown("site-local 01:00-05:00", "Mars/Olympus", "2026-01-10T12:00") == ["11 01:00-11 05:00"]


def test_a_device_is_told_no_more_than_two_months() -> None:
    found = intervals(window("UTC 01:00-02:00"), (), "", utc("2026-01-10T12:00"))

    assert found[-1][1] <= utc("2026-01-10T12:00") + HORIZON + timedelta(days=1)
    assert len(found) == 60


@pytest.mark.parametrize("text", ["", "01:00-05:00", "site-local", "Mars/Olympus 01:00-02:00", "UTC 1-2"])
def test_a_window_that_says_nothing_clear_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is neither|has no"):
        parse_window(text)


@pytest.mark.parametrize("text", ["UTC 01:00-01:00", "UTC 24:00-25:00", "UTC 01:75-02:00"])
def test_hours_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="span of hours"):
        parse_window(text)


def test_a_day_in_more_spans_than_can_be_told_ahead_is_refused() -> None:
    spans = [f"{hour:02}:00-{hour:02}:30" for hour in range(9)]

    told = intervals(window(f"UTC {', '.join(spans[:8])}"), (), "UTC", utc("2026-03-01 00:00"))
    with pytest.raises(ValueError, match="more than 8 spans"):
        parse_window(f"UTC {', '.join(spans)}")

    assert told[-1][1] - utc("2026-03-01 00:00") > RENEW_BEFORE


def test_a_freeze_is_a_day_or_two_with_a_slash() -> None:
    assert parse_freeze("2026-12-24") == Freeze(date(2026, 12, 24), date(2026, 12, 24))
    assert parse_freeze("2026-12-24/2027-01-02") == Freeze(date(2026, 12, 24), date(2027, 1, 2))
    with pytest.raises(ValueError, match="before it begins"):
        parse_freeze("2026-12-24/2026-12-01")
