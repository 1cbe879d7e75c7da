"""What moves is found; noise, light and what stands still are not."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot_simulators.camera.scene import HEIGHT, WIDTH, Street
from surefoot_simulators.camera.vision import LEARN_EVERY, LEARN_FRAMES, Background, Mask, Pixels, find_blobs

LEARNING = (LEARN_FRAMES - 1) * LEARN_EVERY + 1


def flat(level: int) -> Pixels:
    return np.full((HEIGHT, WIDTH), level, dtype=np.uint8)


def learnt(level: int = 100) -> Background:
    background = Background(threshold=20.0, learn_ratio=0.02)
    for _ in range(LEARNING):
        background.subtract(flat(level))
    return background


def mask_with(*boxes: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


def test_nothing_is_reported_until_the_scene_is_learnt() -> None:
    background = Background(threshold=20.0, learn_ratio=0.02)

    answers = [background.subtract(flat(100)) for _ in range(LEARNING)]

    assert answers == [None] * LEARNING
    assert background.learnt


def test_what_moved_through_the_first_frames_leaves_no_ghost() -> None:
    background = Background(threshold=20.0, learn_ratio=0.02)
    for step in range(LEARNING):
        pixels = flat(100)
        pixels[40:52, 4 * step : 4 * step + 8] = 200
        background.subtract(pixels)

    mask = background.subtract(flat(100))

    assert mask is not None
    assert not mask.any()


def test_a_sudden_change_of_light_is_no_movement() -> None:
    mask = learnt(100).subtract(flat(140))

    assert mask is not None
    assert not mask.any()


def test_what_differs_is_found_where_it_is() -> None:
    pixels = flat(100)
    pixels[20:32, 40:50] = 160

    mask = learnt(100).subtract(pixels)

    assert mask is not None
    assert np.array_equal(mask, mask_with((20, 40, 12, 10)))


def test_what_stays_is_learnt_in_the_end() -> None:
    background = learnt(100)
    pixels = flat(100)
    pixels[20:32, 40:50] = 160

    masks = [background.subtract(pixels) for _ in range(1500)]

    assert masks[0] is not None
    assert masks[0].any()
    assert masks[-1] is not None
    assert not masks[-1].any()


def test_the_noise_of_an_empty_street_makes_no_blob() -> None:
    noise = np.random.default_rng(1).normal(0.0, 3.0, (200, HEIGHT, WIDTH))
    frames = np.clip(100.0 + noise, 0, 255).astype(np.uint8)
    background = Background(threshold=20.0, learn_ratio=0.02)

    masks = [background.subtract(frame) for frame in frames]

    assert sum(len(find_blobs(mask)) for mask in masks if mask is not None) == 0


def test_two_bodies_are_two_blobs_with_their_centres_largest_first() -> None:
    blobs = find_blobs(mask_with((20, 20, 12, 6), (60, 100, 12, 24)))

    assert [(round(b.x), round(b.y)) for b in blobs] == [(112, 66), (23, 26)]


def test_bodies_that_touch_at_a_corner_are_one_blob() -> None:
    assert len(find_blobs(mask_with((20, 20, 8, 8), (28, 28, 8, 8)))) == 1


def test_a_shape_that_joins_only_at_its_foot_is_one_blob() -> None:
    u_shape = mask_with((20, 20, 20, 4), (20, 40, 20, 4), (36, 20, 4, 24))

    assert len(find_blobs(u_shape)) == 1


@pytest.mark.parametrize("size", [1, 2])
def test_specks_are_no_blobs(size: int) -> None:
    assert find_blobs(mask_with((20, 20, size, size), (80, 90, size, size))) == []


def test_an_empty_and_a_full_mask_are_taken_calmly() -> None:
    assert find_blobs(mask_with()) == []
    assert len(find_blobs(mask_with((0, 0, HEIGHT, WIDTH)))) == 1


def test_a_body_cut_by_the_edge_of_the_frame_is_found() -> None:
    assert len(find_blobs(mask_with((40, 0, 12, 5), (80, WIDTH - 5, 12, 5)))) == 2


def test_a_real_street_shows_movers() -> None:
    street, background = Street(2), Background(threshold=20.0, learn_ratio=0.02)

    masks = [background.subtract(street.next_frame().pixels) for _ in range(200)]

    assert sum(len(find_blobs(mask)) for mask in masks if mask is not None) > 100
