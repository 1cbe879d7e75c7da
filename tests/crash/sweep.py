"""One sweep: a share of the instants of a scene, at each of which the world ends in one way and comes back in another.

All of them are tried where SUREFOOT_CRASH_ALL is set (`make soak`).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.node import Back, End, Node
from tests.crash.scenes import Instant, Scene, ended_at, instants, undisturbed

Recorder = Callable[[str, object], None]


@dataclass(frozen=True)
class Sweep:
    """`make` makes a node in a folder; every `share`th instant is tried, others in each combination."""

    name: str
    make: Callable[[Path], Node]
    share: int = 1
    begin: str = ""
    """A word of the first instant that matters: those before it are another sweep's."""
    _seen: dict[str, tuple[Instant, ...]] = field(default_factory=dict, compare=False)

    def points(self, folder: Path, scene: Scene) -> tuple[Instant, ...]:
        """The instants of a run that nothing disturbs; the same for every way to end it."""
        if scene.name not in self._seen:
            every = tuple(instants(undisturbed(folder / "undisturbed", scene, self.make)))
            first = next(place for place, instant in enumerate(every) if self.begin in instant.what)
            self._seen[scene.name] = every[first:]
        return self._seen[scene.name]

    def broken(
        self, folder: Path, scene: Scene, how: End, back: Back, record_property: Recorder
    ) -> dict[str, list[str]]:
        """Return the promises that were broken, by the instant at which the world ended; best none."""
        every = self.points(folder, scene)
        assert len(every) > 100
        share = 1 if os.environ.get("SUREFOOT_CRASH_ALL") else self.share
        tried = every[zlib.crc32(f"{self.name} {scene.name} {how} {back}".encode()) % share :: share]
        record_property("instants", len(tried))
        record_property("of", len(every))
        return {
            str(instant): promises
            for instant in tried
            if (promises := ended_at(folder / "node", scene, self.make, instant, how, back))
        }
