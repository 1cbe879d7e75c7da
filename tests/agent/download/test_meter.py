from __future__ import annotations

from surefoot_agent.download.meter import Meter


def test_progress_begins_with_what_is_there_and_ends_with_the_whole() -> None:
    told: list[tuple[int, int]] = []
    meter = Meter(1000, 600, lambda have, total: told.append((have, total)))

    list(meter.through(100, [b"x" * 100, b"x" * 400]))
    meter.placed(600)

    assert told == [(400, 1000), (600, 1000), (1000, 1000)]


def test_small_steps_are_not_told() -> None:
    told: list[int] = []
    meter = Meter(100_000, 100_000, lambda have, _: told.append(have))

    list(meter.through(0, [b"x"] * 5000))

    assert told == [0, 1000, 2000, 3000, 4000, 5000]


def test_progress_never_goes_backwards_when_a_source_is_changed() -> None:
    told: list[int] = []
    meter = Meter(100, 100, lambda have, _: told.append(have))

    list(meter.through(0, [b"x" * 50]))
    list(meter.through(0, [b"x" * 20]))

    assert told == [0, 50]


def test_a_release_without_bytes_is_in_place_at_once() -> None:
    told: list[tuple[int, int]] = []

    Meter(0, 0, lambda have, total: told.append((have, total))).placed(0)

    assert told == [(0, 0)]
