"""A glance at a world that is being played: how far it is and what its devices run, as one small value.

Promises: looking changes nothing of the run, and costs a comparison for each event between two glances.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surefoot_shared.status import AttemptState

if TYPE_CHECKING:
    from surefoot_simulators.world.world import World

EVERY_S = 60.0
"""Of virtual time, between two glances, unless it passes slowly."""
PAUSE_S = 0.2
"""Of the wall clock: nobody reads faster."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Glance:
    """`runs` is what the devices run, and how many of them; `busy` are at an update."""

    seconds: float
    runs: tuple[tuple[str, int], ...]
    busy: int

    @property
    def words(self) -> str:
        runs = "  ".join(f"{version}: {count}" for version, count in self.runs)
        return f"{self.seconds / HOUR_S:7.1f} h  {runs}  at it: {self.busy}"


def glance(world: World) -> Glance:
    runs = Counter(node.version() or "dark" for node in world.nodes.values())
    busy = sum(node.state is not AttemptState.IDLE for node in world.nodes.values())
    return Glance(world.queue.now, tuple(sorted(runs.items())), busy)


def watcher(
    tell: Callable[[Glance], None], speed: float | None = None, *, now_s: Callable[[], float] = time.monotonic
) -> Callable[[World], None]:
    """What `run` takes to tell now and then how far it is; a second of the wall clock is `speed` of the fleet's."""
    every_s = min(EVERY_S, speed or EVERY_S)
    told_at, paused_until = [-every_s], [0.0]

    def watch(world: World) -> None:
        now = world.queue.now
        if now - told_at[0] >= every_s and now_s() >= paused_until[0]:
            told_at[0], paused_until[0] = now, now_s() + PAUSE_S
            tell(glance(world))

    return watch
