from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from surefoot_agent import clock, guard
from surefoot_agent.clock import SystemClock, stamp


def test_a_stamp_is_utc_to_the_millisecond_whatever_the_zone() -> None:
    saigon = timezone(timedelta(hours=7))

    assert stamp(datetime(2030, 1, 1, 7, 0, 0, 123456, tzinfo=saigon)) == "2030-01-01T00:00:00.123Z"


def test_the_boot_id_is_the_kernels_and_monotonic_time_never_goes_back() -> None:
    system = SystemClock()

    assert system.boot_id() == guard.boot_id()
    assert system.monotonic() <= system.monotonic()
    assert system.utc().tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("synchronised", "rtc", "source"), [(True, True, "ntp"), (False, True, "rtc"), (False, False, "none")]
)
def test_the_source_says_how_much_the_wall_clock_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronised: bool, rtc: bool, source: str
) -> None:
    for name, exists in (("SYNCHRONISED", synchronised), ("RTC", rtc)):
        monkeypatch.setattr(clock, name, tmp_path / name)
        if exists:
            (tmp_path / name).touch()

    assert SystemClock().source() == source
