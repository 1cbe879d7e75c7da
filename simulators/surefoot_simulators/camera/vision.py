"""Find what moves: background subtraction and connected components, in numpy, about a millisecond a frame.

Promises: `Background.subtract` follows slow changes of light and is silent until it has learnt the scene (median of its
first frames, so that what moves through them leaves no ghost); `find_blobs` returns every connected region of a mask
that is large enough. Sources: running average with selective update (Piccardi 2004, "Background subtraction
techniques: a review"); run-based two-pass labelling with union-find (He, Chao, Suzuki 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .scene import Pixels, Plane

Mask = npt.NDArray[np.bool_]

LEARN_FRAMES, LEARN_EVERY = 15, 2
"""Frames behind the first median, and how many apart: three seconds at 10 fps; the slowest walker is gone by then."""
FOREGROUND_RATIO = 0.1
"""What moves is learnt ten times slower: it must not burn itself into the background while it waits."""
CELL = 2
"""Blobs are found on a grid of 2 x 2 pixels: four times cheaper, and single noisy pixels vanish."""
MIN_CELLS = 6
"""Smallest blob: a person covers about 18 cells, noise hardly ever two."""


@dataclass(frozen=True)
class Blob:
    x: float
    """Centre, pixels."""
    y: float
    cells: int


class Background:
    """The scene without its movers, learnt from frames."""

    def __init__(self, threshold: float, learn_ratio: float) -> None:
        self._threshold, self._ratio = np.float32(threshold), np.float32(learn_ratio)
        self._first: list[Pixels] = []
        self._seen = 0
        self._plane: Plane | None = None

    @property
    def learnt(self) -> bool:
        return self._plane is not None

    def subtract(self, pixels: Pixels) -> Mask | None:
        """Return where the frame differs from the background; None while the background is still being learnt."""
        if self._plane is None:
            self._learn(pixels)
            return None
        difference = pixels - self._plane
        # The median of the difference is the change of light: most of a street does not move.
        difference -= np.float32(np.median(difference[::4, ::4]))
        mask: Mask = np.abs(difference) > self._threshold
        rate = np.where(mask, self._ratio * np.float32(FOREGROUND_RATIO), self._ratio)
        self._plane += rate * (pixels - self._plane)
        return mask

    def _learn(self, pixels: Pixels) -> None:
        if self._seen % LEARN_EVERY == 0:
            self._first.append(pixels)
        self._seen += 1
        if len(self._first) == LEARN_FRAMES:
            self._plane = np.median(np.stack(self._first), axis=0).astype(np.float32)
            self._first.clear()


def find_blobs(mask: Mask) -> list[Blob]:
    """Return the connected regions of the mask (8 neighbours, on the cell grid), largest first."""
    grid = _grow(_shrink(mask))
    rows, starts, ends = _runs(grid)
    parent = _connect(rows, starts, ends)
    return sorted(_measure(rows, starts, ends, parent), key=lambda blob: -blob.cells)


def _shrink(mask: Mask) -> Mask:
    """A cell is set when at least half of its pixels are."""
    height, width = mask.shape
    cells = mask.reshape(height // CELL, CELL, width // CELL, CELL).sum(axis=(1, 3), dtype=np.uint8)
    full: Mask = cells >= CELL * CELL // 2
    return full


def _grow(grid: Mask) -> Mask:
    """Close gaps of one cell sideways, so that a body and its roof, or a stripe in a coat, stay one blob."""
    grown: Mask = grid.copy()
    grown[:, 1:] |= grid[:, :-1]
    grown[:, :-1] |= grid[:, 1:]
    return grown


def _runs(grid: Mask) -> tuple[list[int], list[int], list[int]]:
    """Rows, first columns and columns after the last of every horizontal run, in reading order."""
    padded = np.zeros((grid.shape[0], grid.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = grid
    edges = np.diff(padded, axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows.tolist(), starts.tolist(), ends.tolist()


def _connect(rows: list[int], starts: list[int], ends: list[int]) -> list[int]:
    """Union-find over runs: two runs of neighbouring rows that touch, corners included, are one region."""
    parent = list(range(len(rows)))
    above = 0
    for run, row in enumerate(rows):
        while rows[above] < row - 1:
            above += 1
        other = above
        while other < run and rows[other] == row - 1:
            if starts[other] <= ends[run] and starts[run] <= ends[other]:
                parent[_root(parent, run)] = _root(parent, other)
            other += 1
    return parent


def _root(parent: list[int], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


def _measure(rows: list[int], starts: list[int], ends: list[int], parent: list[int]) -> list[Blob]:
    sums: dict[int, list[float]] = {}
    for run, row in enumerate(rows):
        length = ends[run] - starts[run]
        total = sums.setdefault(_root(parent, run), [0.0, 0.0, 0.0])
        total[0] += length
        total[1] += length * (starts[run] + ends[run]) / 2.0
        total[2] += length * (row + 0.5)
    return [
        Blob(x=CELL * sum_x / cells, y=CELL * sum_y / cells, cells=int(cells))
        for cells, sum_x, sum_y in sums.values()
        if cells >= MIN_CELLS
    ]
