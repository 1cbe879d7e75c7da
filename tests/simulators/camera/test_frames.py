"""The frames of the live application reach a shadow unchanged, and never make the live one wait."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from surefoot_simulators.camera.frames import FRAME_BYTES, FrameTap, NoFrame, SharedSource, TappedSource
from surefoot_simulators.camera.scene import Street
from surefoot_simulators.camera.source import Delivery


@pytest.fixture
def path() -> Iterator[str]:
    """A short one: the name of a Unix socket has no more than 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="sf-"))
    yield str(folder / "frames-0")
    shutil.rmtree(folder)


class Sequence:
    def __init__(self) -> None:
        self._street = Street(1)

    def read(self) -> Delivery:
        return Delivery(self._street.next_frame(), 1.5, 0)


def test_a_shadow_sees_the_very_frames(path: str) -> None:
    tap = FrameTap(path)
    live, shadow = TappedSource(Sequence(), tap), SharedSource(path, threading.Event())
    seen: list[Delivery] = []
    reader = threading.Thread(target=lambda: seen.append(shadow.read()))
    reader.start()
    given = []
    while reader.is_alive():
        given.append(live.read())
        reader.join(0.01)
    shadow.close()
    tap.close()

    (found,) = seen
    same = next(each for each in given if each.frame.index == found.frame.index)
    assert np.array_equal(found.frame.pixels, same.frame.pixels)
    assert found.captured_at_s == 1.5


def test_a_reader_that_does_not_read_costs_frames_and_no_time(path: str) -> None:
    tap = FrameTap(path)
    live, shadow = TappedSource(Sequence(), tap), SharedSource(path, threading.Event())
    reader = threading.Thread(target=shadow.read)
    reader.start()
    while reader.is_alive():
        live.read()
        reader.join(0.01)
    for _ in range(2_000_000 // FRAME_BYTES):
        live.read()  # more than any buffer between the two holds; a live release that waited would never end

    dropped = 0
    while not dropped:
        live.read()
        dropped = shadow.read().dropped
    shadow.close()
    tap.close()
    assert dropped > 0


def test_a_shadow_without_a_live_release_ends_when_it_is_told(path: str) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(NoFrame):
        SharedSource(path, stop).read()
