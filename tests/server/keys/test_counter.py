"""The fleet's one number: it only rises, whatever happens to the clock, the process or the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.counter import FleetCounter
from surefoot_shared.errors import ConfigError


def test_numbers_are_the_time_in_milliseconds_and_rise_within_one(tmp_path: Path) -> None:
    counter = FleetCounter(tmp_path / "counter", lambda: 5_000)

    assert [counter.next() for _ in range(3)] == [5_000, 5_001, 5_002]


def test_a_clock_that_is_set_back_does_not_lower_the_number(tmp_path: Path) -> None:
    clock = iter([9_000, 1_000, 9_001])
    counter = FleetCounter(tmp_path / "counter", lambda: next(clock))

    assert [counter.next() for _ in range(3)] == [9_000, 9_001, 9_002]


def test_a_restart_with_the_clock_set_back_goes_on_above_what_was_used(tmp_path: Path) -> None:
    used = [FleetCounter(tmp_path / "counter", lambda: 9_000).next()]
    used += [FleetCounter(tmp_path / "counter", lambda: 0).next() for _ in range(3)]

    assert used == sorted(set(used))


def test_the_file_is_not_written_for_every_number(tmp_path: Path) -> None:
    counter = FleetCounter(tmp_path / "counter", lambda: 5_000)
    counter.next()
    before = (tmp_path / "counter").stat().st_mtime_ns

    for _ in range(1_000):
        counter.next()

    assert (tmp_path / "counter").stat().st_mtime_ns == before


def test_more_numbers_than_were_reserved_are_still_above_the_mark_on_disk(tmp_path: Path) -> None:
    counter = FleetCounter(tmp_path / "counter", lambda: 0)

    last = [counter.next() for _ in range(150_000)][-1]

    assert FleetCounter(tmp_path / "counter", lambda: 0).next() > last


@pytest.mark.parametrize("content", ["", "junk"])
def test_an_unreadable_file_stops_the_server_instead_of_starting_again_from_now(tmp_path: Path, content: str) -> None:
    (tmp_path / "counter").write_text(content)

    with pytest.raises(ConfigError) as caught:
        FleetCounter(tmp_path / "counter")

    assert caught.value.kind == "config_unreadable"
