"""Releases of a world are signed for real, small, and share what real ones share."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.release import Probation, digest_of
from surefoot_simulators.world.releases import BYTE, keys_made, make_release

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(tmp_path: Path) -> list:  # type: ignore[type-arg]
    keys = keys_made(("app",))
    make = lambda version, counter: make_release(  # noqa: E731
        keys, tmp_path, "app", version, counter, ("rpi5",), (), Probation(), 4_000_000.0
    )
    return [make("7.0", 700), make("7.1", 710)]


def test_blobs_are_named_by_their_hash_and_stand_for_the_simulated_size(pair: list) -> None:  # type: ignore[type-arg]
    for made in pair:
        assert all(digest_of(content) == name for name, content in made.blobs.items())
        assert 0.8 < made.manifest.installed_size_bytes * BYTE / 4_000_000 < 1.3


def test_two_releases_share_half_of_their_pieces(pair: list) -> None:  # type: ignore[type-arg]
    old, new = ({file.sha256 for file in made.manifest.files} for made in pair)

    assert 0.3 < len(old & new) / len(new) < 0.7
