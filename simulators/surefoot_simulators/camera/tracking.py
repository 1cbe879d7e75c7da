"""Follow blobs from frame to frame and count those that cross the line, in either direction, once each.

Promises: a track counts only after it was seen on one side and then on the other, so a blob that appears on the line,
trembles on it or flickers out is not counted. Refuses to guess identities: the nearest blob within reach continues a
track (greedy, constant velocity), which suffices for lanes and is honest about crowds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .vision import Blob

REACH_X, REACH_Y = 9.0, 6.0
"""How far from its predicted place a blob may be: half the spacing of the lanes, and a vehicle's step or two."""
MISSED_FRAMES = 6
"""A track unseen for so many frames is over."""
CONFIRMED_FRAMES = 3
"""Frames a track must have been seen before it may count: noise does not live so long."""
MARGIN = 1.5
"""Pixels beyond the line at which a side is taken as entered: less than that is trembling."""


@dataclass
class Track:
    x: float
    y: float
    speed: float = 0.0
    seen: int = 1
    missed: int = 0
    side: int = 0
    """-1 left of the line, 1 right of it, 0 not yet known."""

    def predicted_x(self) -> float:
        return self.x + self.speed * (self.missed + 1)


class LineCounter:
    """Counts crossings of a vertical line: `counted_in` from left to right, `counted_out` from right to left."""

    def __init__(self, line_x: int) -> None:
        self._line_x = float(line_x)
        self._tracks: list[Track] = []
        self.counted_in = 0
        self.counted_out = 0

    def update(self, blobs: Sequence[Blob]) -> None:
        """Take one frame's blobs."""
        free = list(blobs)
        for track, blob in _match(self._tracks, free):
            _follow(track, blob)
            self._count(track)
        self._tracks = [t for t in self._tracks if t.missed <= MISSED_FRAMES]
        for blob in free:
            track = Track(blob.x, blob.y)
            track.side = self._side_of(track)
            self._tracks.append(track)

    def _side_of(self, track: Track) -> int:
        offset = track.x - self._line_x
        return 0 if abs(offset) < MARGIN else (1 if offset > 0 else -1)

    def _count(self, track: Track) -> None:
        side = self._side_of(track)
        if side == 0 or track.seen < CONFIRMED_FRAMES:
            return
        if track.side == -side:
            self.counted_in += side > 0
            self.counted_out += side < 0
        track.side = side


def _match(tracks: Sequence[Track], free: list[Blob]) -> list[tuple[Track, Blob]]:
    """Pair each track with its nearest blob, best pairs first; taken blobs leave `free`, the others are missed."""
    reach = [
        (abs(blob.x - track.predicted_x()) + abs(blob.y - track.y), number, blob)
        for number, track in enumerate(tracks)
        for blob in free
        if abs(blob.x - track.predicted_x()) <= REACH_X and abs(blob.y - track.y) <= REACH_Y
    ]
    pairs: list[tuple[Track, Blob]] = []
    paired: set[int] = set()
    for _, number, blob in sorted(reach, key=lambda entry: entry[0]):
        if number not in paired and blob in free:
            paired.add(number)
            free.remove(blob)
            pairs.append((tracks[number], blob))
    for number, track in enumerate(tracks):
        track.missed += number not in paired
    return pairs


def _follow(track: Track, blob: Blob) -> None:
    step = (blob.x - track.x) / (track.missed + 1)
    # A blob grows while it enters the frame, so its centre starts slowly; the average settles within a few frames.
    track.speed = step if track.seen == 1 else 0.6 * track.speed + 0.4 * step
    track.x, track.y = blob.x, blob.y
    track.seen += 1
    track.missed = 0
