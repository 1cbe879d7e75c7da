"""A street as a fixed camera sees it: people and vehicles in lanes, sensor noise, light that drifts, and the truth.

Promises: the same seed gives the same frames, byte for byte, on every machine; `crossed_in` and `crossed_out` are the
true crossings of the counting line up to and including the frame. Neighbours of a lane may catch up and overlap, as
they do in a street, so no counter can be perfect. Refuses to know time: one call is one frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 160, 120
Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

NOISE_LEVELS = 3.0
"""Standard deviation of the sensor noise, grey levels: a small sensor at dusk."""
DRIFT_RATIO, DRIFT_FRAMES = 0.08, 1200.0
"""The light rises and falls by this share over so many frames: two minutes of clouds at 10 fps."""


@dataclass(frozen=True)
class Lane:
    y: int
    """Row of the objects' centre."""
    speed: float
    """Pixels a frame; negative moves left."""
    size: tuple[int, int]
    """Height and width of an object, pixels."""
    every: float
    """Mean frames between two objects."""


LANES = (
    Lane(y=14, speed=1.6, size=(12, 5), every=45.0),
    Lane(y=32, speed=-1.5, size=(12, 5), every=50.0),
    Lane(y=54, speed=4.2, size=(12, 22), every=60.0),
    Lane(y=74, speed=-3.8, size=(12, 24), every=65.0),
    Lane(y=94, speed=1.4, size=(13, 6), every=55.0),
    Lane(y=111, speed=-1.7, size=(13, 6), every=45.0),
)


@dataclass
class Mover:
    lane: Lane
    x: float
    """Column of the centre; starts and ends outside the frame."""
    speed: float
    shade: float
    """Grey levels against the background, signed."""


@dataclass(frozen=True)
class Frame:
    index: int
    pixels: Pixels
    crossed_in: int
    """True crossings from left to right so far."""
    crossed_out: int


class Street:
    """The scene; `next_frame` moves the world on by one frame and shows it."""

    def __init__(self, seed: int, line_x: int = WIDTH // 2) -> None:
        self._random = np.random.default_rng(seed)
        self._line_x = line_x
        self._background = _paint_background(self._random)
        # One large plane of noise, shown through a window that jumps: as good as fresh noise and ten times cheaper.
        self._noise = self._random.normal(0.0, NOISE_LEVELS, (HEIGHT + 64, WIDTH + 64)).astype(np.float32)
        self._phase = float(self._random.uniform(0.0, 2.0 * math.pi))
        self._wait = [float(self._random.exponential(lane.every)) for lane in LANES]
        self._movers: list[Mover] = []
        self._index = -1
        self._crossed_in = self._crossed_out = 0

    def next_frame(self) -> Frame:
        self._index += 1
        self._arrive()
        self._move()
        return Frame(self._index, self._render(), self._crossed_in, self._crossed_out)

    def _arrive(self) -> None:
        for number, lane in enumerate(LANES):
            self._wait[number] -= 1.0
            if self._wait[number] > 0.0:
                continue
            headway = 1.5 * lane.size[1] / abs(lane.speed)
            self._wait[number] = headway + float(self._random.exponential(lane.every))
            edge = -lane.size[1] if lane.speed > 0 else WIDTH + lane.size[1]
            shade = float(self._random.uniform(40.0, 80.0)) * (1.0 if self._random.random() < 0.5 else -1.0)
            speed = lane.speed * float(self._random.uniform(0.92, 1.08))
            self._movers.append(Mover(lane, float(edge), speed, shade))

    def _move(self) -> None:
        for mover in self._movers:
            before, mover.x = mover.x, mover.x + mover.speed
            if before < self._line_x <= mover.x:
                self._crossed_in += 1
            elif mover.x < self._line_x <= before:
                self._crossed_out += 1
        self._movers = [m for m in self._movers if -40.0 < m.x < WIDTH + 40.0]

    def _render(self) -> Pixels:
        light = 1.0 + DRIFT_RATIO * math.sin(self._phase + 2.0 * math.pi * self._index / DRIFT_FRAMES)
        canvas = self._background * np.float32(light)
        for mover in self._movers:
            _paint_mover(canvas, mover)
        down, right = self._random.integers(0, 65, 2)
        canvas += self._noise[down : down + HEIGHT, right : right + WIDTH]
        pixels: Pixels = np.clip(canvas, 0.0, 255.0).astype(np.uint8)
        return pixels


def _paint_background(random: np.random.Generator) -> Plane:
    """House fronts, two pavements and a road, with a texture, all within 70 to 170 grey levels."""
    canvas = np.full((HEIGHT, WIDTH), 120.0, dtype=np.float32)
    canvas[44:84] = 95.0
    canvas[63:65, ::8] = 150.0
    canvas[:, 20:22] -= 15.0
    canvas[:, 130:132] -= 15.0
    coarse = random.normal(0.0, 8.0, (HEIGHT // 8, WIDTH // 8)).astype(np.float32)
    return canvas + np.kron(coarse, np.ones((8, 8), dtype=np.float32))


def _paint_mover(canvas: Plane, mover: Mover) -> None:
    height, width = mover.lane.size
    left, top = round(mover.x - width / 2), mover.lane.y - height // 2
    if left >= WIDTH or left + width <= 0:
        return
    # A body, and a head or roof that is narrower and half as bright: no plain rectangle.
    canvas[top + 3 : top + height, max(left, 0) : max(left + width, 0)] += np.float32(mover.shade)
    inset = width // 4
    canvas[top : top + 3, max(left + inset, 0) : max(left + width - inset, 0)] += np.float32(mover.shade * 0.6)
