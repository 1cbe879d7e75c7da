"""Each crossing counts once, in its direction; what only seems to cross does not count; the truth is nearly reached."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from surefoot_simulators.camera.scene import Street
from surefoot_simulators.camera.tracking import LineCounter
from surefoot_simulators.camera.vision import Background, Blob, find_blobs


def play(*walks: Iterable[float | None]) -> tuple[int, int]:
    """Play columns over time, one walk a row; None = unseen in that frame."""
    counter = LineCounter(80)
    for places in zip(*walks, strict=True):
        counter.update([Blob(x, 20.0 + 20.0 * row, 20) for row, x in enumerate(places) if x is not None])
    return counter.counted_in, counter.counted_out


def walk(begin: float, step: float, frames: int) -> list[float]:
    return [begin + step * n for n in range(frames)]


def test_a_walker_from_left_to_right_counts_in_once() -> None:
    assert play(walk(60, 1.5, 40)) == (1, 0)


def test_a_walker_from_right_to_left_counts_out_once() -> None:
    assert play(walk(100, -1.5, 40)) == (0, 1)


def test_a_fast_vehicle_counts() -> None:
    assert play(walk(20, 4.5, 30)) == (1, 0)


def test_two_walkers_that_meet_at_the_line_count_one_each_way() -> None:
    assert play(walk(60, 1.5, 40), walk(100, -1.5, 40)) == (1, 1)


def test_who_turns_back_before_the_line_does_not_count() -> None:
    assert play(walk(60, 1.5, 12) + walk(78, -1.5, 12)) == (0, 0)


def test_who_crosses_and_returns_counts_both_ways() -> None:
    assert play(walk(60, 1.5, 30) + walk(103, -1.5, 30)) == (1, 1)


def test_trembling_on_the_line_does_not_count() -> None:
    assert play([80.0 + (-1) ** n for n in range(60)]) == (0, 0)


def test_what_appears_on_one_side_only_does_not_count() -> None:
    assert play(walk(90, 1.5, 30)) == (0, 0)


def test_a_walker_hidden_for_a_few_frames_at_the_line_still_counts_once() -> None:
    steps: list[float | None] = list(walk(60, 1.5, 40))
    steps[12:16] = [None] * 4

    assert play(steps) == (1, 0)


def test_a_walker_hidden_for_too_long_is_not_guessed() -> None:
    steps: list[float | None] = list(walk(60, 1.5, 40))
    steps[10:25] = [None] * 15

    assert play(steps) == (0, 0)


def test_a_flash_of_noise_on_both_sides_does_not_count() -> None:
    assert play([76.0, 83.0]) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_minutes_of_street_are_counted_within_a_tenth_of_the_truth_in_both_directions(seed: int) -> None:
    street, background, counter = Street(seed), Background(20.0, 0.02), LineCounter(80)
    before_in = before_out = 0
    for _ in range(3000):
        frame = street.next_frame()
        mask = background.subtract(frame.pixels)
        if mask is None:
            before_in, before_out = frame.crossed_in, frame.crossed_out
        else:
            counter.update(find_blobs(mask))

    assert abs(counter.counted_in / (frame.crossed_in - before_in) - 1.0) < 0.1
    assert abs(counter.counted_out / (frame.crossed_out - before_out) - 1.0) < 0.1
