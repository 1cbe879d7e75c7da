"""The street: the same for the same seed, alive, and true about its crossings."""

from __future__ import annotations

import itertools

import numpy as np

from surefoot_simulators.camera.scene import HEIGHT, WIDTH, Street


def test_the_same_seed_gives_the_same_frames_byte_for_byte() -> None:
    one, two = Street(7), Street(7)

    assert all(np.array_equal(one.next_frame().pixels, two.next_frame().pixels) for _ in range(100))


def test_another_seed_gives_another_street() -> None:
    assert not np.array_equal(Street(1).next_frame().pixels, Street(2).next_frame().pixels)


def test_a_frame_is_a_grey_picture_of_the_stated_size() -> None:
    pixels = Street(1).next_frame().pixels

    assert (pixels.shape, pixels.dtype) == ((HEIGHT, WIDTH), np.uint8)


def test_two_frames_in_a_row_are_never_identical_because_the_sensor_has_noise() -> None:
    street = Street(3)
    frames = [street.next_frame().pixels for _ in range(300)]

    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(frames))


def test_the_light_drifts_by_more_than_the_noise_within_a_minute() -> None:
    street = Street(5)
    means = [float(street.next_frame().pixels.mean()) for _ in range(600)]

    assert max(means) - min(means) > 5.0


def test_the_truth_counts_up_in_both_directions_and_never_down() -> None:
    street = Street(4)
    frames = [street.next_frame() for _ in range(1500)]

    assert all(a.crossed_in <= b.crossed_in and a.crossed_out <= b.crossed_out for a, b in itertools.pairwise(frames))
    assert frames[-1].crossed_in > 20
    assert frames[-1].crossed_out > 20


def test_the_truth_follows_the_line_that_was_asked_for() -> None:
    near, far = Street(6, line_x=10), Street(6, line_x=150)
    for _ in range(60):
        early, late = near.next_frame(), far.next_frame()

    assert early.crossed_in > late.crossed_in
