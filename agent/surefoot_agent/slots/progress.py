"""Which blocks of a slot were put in place, remembered on the data partition, for whoever comes after a power cut.

Promises: it is a hint of where to look and never believed: what it names is read from the medium and compared before it
counts. Written only after the medium was synced, and seldom (`NOTE_BYTES`), for flash wears. One that cannot be read
says nothing. On disk: slots/A.progress, {"digest": …, "runs": [[first block, how many], …]}.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.guard import write_file

NOTE_BYTES = 64 * 1024 * 1024
"""At most so much is fetched again after a power cut; 2 GiB cost 32 small writes."""


@dataclass(frozen=True)
class Progress:
    """`place` has a byte for each block of the release `digest`, 1 where it is in place."""

    digest: str
    place: bytearray

    @classmethod
    def none(cls, digest: str, count: int) -> Progress:
        return cls(digest, bytearray(count))

    def has(self, block: int) -> bool:
        return self.place[block] == 1

    def set(self, block: int, there: bool = True) -> None:
        self.place[block] = there

    @property
    def whole(self) -> bool:
        return all(self.place)


def load(file: Path, digest: str, count: int) -> Progress | None:
    """Return what is remembered of this release, None where nothing is, or what it says cannot be."""
    try:
        said = json.loads(file.read_bytes())
        if said["digest"] != digest:
            return None
        found = Progress.none(digest, count)
        for first, length in said["runs"]:
            if not 0 <= first < first + length <= count:
                return None
            found.place[first : first + length] = b"\1" * length
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found


def store(file: Path, progress: Progress) -> None:
    """Remember it; the caller has synced the medium."""
    runs = [[first, length] for first, length in _runs(progress.place)]
    write_file(file, json.dumps({"digest": progress.digest, "runs": runs}).encode())


def forget(file: Path) -> None:
    durable.remove(file)


def _runs(place: bytearray) -> Iterator[tuple[int, int]]:
    end = 0
    while (first := place.find(1, end)) >= 0:
        end = place.find(0, first)
        end = len(place) if end < 0 else end
        yield first, end - first
