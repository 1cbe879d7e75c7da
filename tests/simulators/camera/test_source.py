"""The camera: keeps its rate, drops what nobody fetched, and freezes the way a bad release does."""

from __future__ import annotations

import numpy as np

from surefoot_simulators.camera.scene import Street
from surefoot_simulators.camera.source import FrameSource


class Clock:
    """Monotonic seconds that pass only when somebody waits or works."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def make(clock: Clock, freeze_after_s: float | None = None) -> FrameSource:
    return FrameSource(Street(1), 10.0, clock, clock.wait, freeze_after_s)


def test_a_fast_reader_gets_every_frame_at_its_time() -> None:
    clock = Clock()
    source = make(clock)

    deliveries = [source.read() for _ in range(50)]

    assert [d.frame.index for d in deliveries] == list(range(50))
    assert round(clock.now_s - 100.0, 6) == 4.9
    assert sum(d.dropped for d in deliveries) == 0


def test_a_slow_reader_gets_the_newest_frame_and_the_others_are_counted_as_dropped() -> None:
    clock = Clock()
    source = make(clock)
    source.read()

    clock.wait(1.05)
    delivery = source.read()

    assert (delivery.frame.index, delivery.dropped) == (10, 9)
    assert round(clock.now_s - delivery.captured_at_s, 6) == 0.05


def test_a_frozen_source_keeps_its_rate_and_its_frame_times_but_not_its_picture() -> None:
    clock = Clock()
    source = make(clock, freeze_after_s=6.0)

    deliveries = [source.read() for _ in range(100)]

    assert len({d.frame.index for d in deliveries[59:]}) == 1
    assert all(np.array_equal(d.frame.pixels, deliveries[59].frame.pixels) for d in deliveries[60:])
    assert round(deliveries[99].captured_at_s - 100.0, 6) == 9.9


def test_a_source_is_alive_until_the_instant_it_freezes() -> None:
    clock = Clock()
    source = make(clock, freeze_after_s=6.0)

    indices = [source.read().frame.index for _ in range(61)]

    assert indices == [*range(60), 59]
