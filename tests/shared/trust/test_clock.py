"""Trusted time: the later of clock and floors, and times that are no times change nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from surefoot_shared.trust.clock import EPOCH, format_time, parse_time, trusted_time

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def test_a_clock_at_or_after_the_floor_is_believed() -> None:
    assert trusted_time(NOON, NOON) == trusted_time(NOON)
    assert trusted_time(NOON, NOON - HOUR).source == "system"


def test_a_clock_behind_any_floor_is_not_believed() -> None:
    assert trusted_time(EPOCH, NOON - HOUR, NOON) == trusted_time(NOON - HOUR, NOON)
    assert trusted_time(EPOCH, NOON).at == NOON
    assert trusted_time(EPOCH, NOON).source == "floor"


@pytest.mark.parametrize(
    "text",
    ["2026-06-01T12:00:00Z", "2026-06-01T12:00:00+00:00", "2026-06-01T12:00:00.123456+00:00", "2026-06-01T12:00:00.5Z"],
)
def test_utc_times_are_read_to_the_second(text: str) -> None:
    assert parse_time(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        None,
        3,
        "",
        "yesterday",
        "2026-06-01",
        "2026-06-01T12:00:00",
        "2026-06-01T12:00:00+02:00",
        "2026-13-01T12:00:00Z",
        "2026-06-01T12:00:00Z\n",
    ],
)
def test_anything_else_is_no_time(text: object) -> None:
    assert parse_time(text) is None


def test_what_is_written_is_read_back() -> None:
    assert parse_time(format_time(NOON.astimezone(timezone(HOUR)))) == NOON
