"""Alarms 90, 30 and 7 days before offline metadata expires, and what they say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from surefoot_server.keys.expiry import alarms, days_left
from tests.server.keys.fleet import NOW


def after(days: float) -> timedelta:
    return timedelta(days=days)


@pytest.mark.parametrize(
    ("left", "step"),
    [(90.01, None), (90, 90), (31, 90), (30, 30), (7.5, 30), (7, 7), (0.01, 7), (0, 0), (-400, 0)],
)
def test_the_smallest_step_that_is_reached_counts(left: float, step: int | None) -> None:
    found = alarms({"image root 1": NOW + after(left)}, NOW)

    assert [alarm.step for alarm in found] == ([] if step is None else [step])


def test_the_most_urgent_comes_first() -> None:
    found = alarms({"image root 1": NOW + after(80), "image rel-app 4": NOW + after(3)}, NOW)

    assert [alarm.file for alarm in found] == ["image rel-app 4", "image root 1"]


def test_days_are_whole_and_go_below_zero() -> None:
    assert days_left(NOW + after(7.9), NOW) == 7
    assert days_left(NOW - after(0.1), NOW) == -1


@pytest.mark.parametrize(
    ("file", "left", "words"),
    [
        ("image root 2", 29, "expires in 29 days, on 2026-06-30. Sign it again: surefoot keys renew root"),
        ("director root 1", 1, "expires in a day, on 2026-06-02. Sign it again: surefoot keys renew root"),
        ("image targets 1", 7, "surefoot keys renew targets"),
        ("image rel-app 9", -1, "has expired on 2026-05-31: devices accept nothing new. Sign it again: surefoot keys"),
    ],
)  # fmt: skip
def test_an_alarm_says_what_when_and_what_to_do(file: str, left: int, words: str) -> None:
    (alarm,) = alarms({file: NOW + after(left)}, NOW)

    assert words in alarm.sentence
    assert file in alarm.sentence
