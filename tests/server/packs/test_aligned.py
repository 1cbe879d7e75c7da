"""A patch of differences is one that HDiffPatch itself applies, whatever its size."""

from __future__ import annotations

import random
import zlib

import hdiffpatch
import numpy as np
import pytest

from surefoot_server.packs.aligned import subtracted


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 127, 128, 129, 4096, 4097, 16_384, 524_289, 2_100_000])
def test_it_makes_the_new_bytes_of_the_old_ones(size: int) -> None:
    before, content = (random.Random(seed).randbytes(size) for seed in (1, 2))

    assert hdiffpatch.apply(before, subtracted(before, content)) == content


def test_weights_that_moved_a_little_become_smaller_than_they_are() -> None:
    numbers = np.random.default_rng(1)
    before = numbers.normal(0, 0.1, 50_000)
    content = (before + numbers.normal(0, 0.001, 50_000)).astype("<f4").tobytes()

    patch = subtracted(before.astype("<f4").tobytes(), content)

    assert len(zlib.compress(patch)) < 0.9 * len(zlib.compress(content))


@pytest.mark.parametrize(("before", "content"), [(b"ab", b"a"), (b"", b"")])
def test_what_changed_its_size_has_no_such_patch(before: bytes, content: bytes) -> None:
    with pytest.raises(ValueError, match="size"):
        subtracted(before, content)
