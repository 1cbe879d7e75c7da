"""Find which bytes of an old release look like those of a new file, wherever they lie and whatever they are called.

How: fingerprints of 32 bytes, taken where their hash ends in seven zeros, so that the same content gives the same
fingerprints at any place. Old content is sampled once; a target's fingerprints vote for the stretches that have them.
Promises: bounded memory (about 16 bytes for each 128 of old content, whatever it is); the same input gives the same
answer. Pure but for reading. Source: sampled content fingerprints after Manber, "Finding similar files in a large file
system", 1994.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surefoot_server.packs.contents import Contents

WINDOW_WORDS = 4
"""Of 8 bytes each."""
SAMPLE = np.uint64((1 << 7) - 1)
READ_BYTES = 16 * 1024 * 1024
GRAIN_BYTES = 64 * 1024
"""Stretches are counted in grains of this size, and the neighbours of a chosen one are taken too."""
COMMON = 4
"""A fingerprint that the old release has more often tells nothing: padding, tables of zeros."""
MULTIPLIERS = tuple(
    np.uint64(m) for m in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """Old bytes: `votes` fingerprints of the target lie in them."""

    file: int
    at: int
    size_bytes: int
    votes: int = 0


class Fingerprints:
    """The fingerprints of an old release, sorted."""

    def __init__(self, old: Contents) -> None:
        self._sizes = np.array([size for _, size in old.files], dtype=np.int64)
        # Every file begins at a grain of its own, so that a grain belongs to one file.
        grains = -(-self._sizes // GRAIN_BYTES) + 1
        self._begins = np.concatenate(([0], np.cumsum(grains)[:-1])) * GRAIN_BYTES
        found = [(h, p + self._begins[n]) for n in range(len(self._sizes)) for h, p in _of_file(old, n)]
        hashes = np.concatenate([h for h, _ in found]) if found else np.empty(0, np.uint64)
        places = np.concatenate([p for _, p in found]) if found else np.empty(0, np.int64)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._places = hashes[order], places[order]

    def stretches(self, content: bytes, limit_bytes: int) -> list[Stretch]:
        """The old stretches that resemble `content` most, within the limit, in the order of the old files."""
        wanted = np.unique(sample(content)[0])
        first = np.searchsorted(self._hashes, wanted, "left")
        count = np.searchsorted(self._hashes, wanted, "right") - first
        first, count = first[(count > 0) & (count <= COMMON)], count[(count > 0) & (count <= COMMON)]
        if not len(first):
            return []
        rows = np.concatenate([first[count > k] + k for k in range(COMMON)])
        grains, votes = np.unique(self._places[rows] // GRAIN_BYTES, return_counts=True)
        return self._joined(self._chosen(grains, votes, limit_bytes))

    def _chosen(self, grains: I64, votes: I64, limit_bytes: int) -> dict[int, int]:
        """The grains with most votes, then the neighbours of these, as long as there is room."""
        ranked = [int(row) for row in np.argsort(-votes, kind="stable")]
        chosen = {int(grains[row]): int(votes[row]) for row in ranked[: limit_bytes // GRAIN_BYTES]}
        for grain in list(chosen):
            near = (grain + step for step in (-1, 1))
            for other in (one for one in near if one not in chosen and self._inside(one, grain)):
                if (len(chosen) + 1) * GRAIN_BYTES <= limit_bytes:
                    chosen[other] = 0
        return chosen

    def _inside(self, grain: int, of: int) -> bool:
        """Whether a grain lies in the same file as another."""
        file = self._file(of)
        return grain >= 0 and self._file(grain) == file and grain * GRAIN_BYTES - self._begins[file] < self._sizes[file]

    def _file(self, grain: int) -> int:
        return int(np.searchsorted(self._begins, grain * GRAIN_BYTES, "right")) - 1

    def _joined(self, chosen: dict[int, int]) -> list[Stretch]:
        found: list[Stretch] = []
        for grain in sorted(chosen):
            file = self._file(grain)
            at = grain * GRAIN_BYTES - int(self._begins[file])
            size = min(GRAIN_BYTES, int(self._sizes[file]) - at)
            last = found[-1] if found else None
            if last and last.file == file and last.at + last.size_bytes == at:
                found[-1] = Stretch(file, last.at, last.size_bytes + size, last.votes + chosen[grain])
            else:
                found.append(Stretch(file, at, size, chosen[grain]))
        return found


def sample(content: bytes) -> tuple[U64, I64]:
    """The fingerprints of some bytes, with the places where they begin."""
    hashes, places = [], []
    with np.errstate(over="ignore"):
        for phase in range(8 if len(content) >= 8 * WINDOW_WORDS + 7 else 0):
            words = np.frombuffer(content, "<u8", offset=phase, count=(len(content) - phase) // 8)
            span = len(words) - WINDOW_WORDS + 1
            mixed = sum(
                (words[k : k + span] * MULTIPLIERS[k] for k in range(1, WINDOW_WORDS)), words[:span] * MULTIPLIERS[0]
            )
            mixed ^= mixed >> np.uint64(29)
            mixed *= MULTIPLIERS[1]
            mixed ^= mixed >> np.uint64(32)
            told = words[:span] != words[1 : span + 1]  # else the zeros of an image would be sampled at every byte
            rows = np.flatnonzero(((mixed & SAMPLE) == 0) & told)
            hashes.append(mixed[rows])
            places.append(rows.astype(np.int64) * 8 + phase)
    if not hashes:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    return np.concatenate(hashes), np.concatenate(places)


def _of_file(old: Contents, number: int) -> Iterator[tuple[U64, I64]]:
    size = old.files[number][1]
    for at in range(0, size, READ_BYTES):
        hashes, places = _first_of_each(*sample(old.base_bytes(number, at, min(READ_BYTES, size - at))))
        yield hashes, places + at


def _first_of_each(hashes: U64, places: I64) -> tuple[U64, I64]:
    """Of what repeats itself so many as show that it is common; a table of one entry would fill the memory."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    begins = np.searchsorted(ordered, ordered, "left")
    kept = order[np.arange(len(order)) - begins <= COMMON]
    return hashes[kept], places[kept]
