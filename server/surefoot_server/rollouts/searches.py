"""When to search a whole rollout for devices whose turn it is, and when those that just said hello are enough.

Promises: whoever connects is seen at the next look; every other reason for a turn (a claim that ended, a device that is
heard again without a hello) within FULL_S. Kept in memory alone: a restart searches everything once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FULL_S = 60.0
"""Between two searches of everything: thousands may sleep, and to look at each of them in every tick is the tick."""
OVERLAP = timedelta(seconds=30)
"""A hello is stored with the time at which its batch began, a little before it can be seen."""


@dataclass(frozen=True, slots=True)
class _Search:
    phase: int
    full_at: datetime
    at: datetime


class Searches:
    """One for each service; not shared between threads."""

    def __init__(self) -> None:
        self._done: dict[str, _Search] = {}
        self._sleepers: tuple[datetime, datetime] | None = None

    def since(self, rollout_id: str, phase: int, now: datetime) -> datetime | None:
        """Return since when a hello matters, None where everybody must be looked at."""
        done = self._done.get(rollout_id)
        if done is None or done.phase != phase or not _fresh(done.full_at, now):
            return None
        return done.at - OVERLAP

    def note(self, rollout_id: str, phase: int, now: datetime, anybody: bool) -> None:
        """A look came to its end; where somebody still waits the next one searches everything again."""
        if anybody:
            self.forget(rollout_id)
            return
        full = self.since(rollout_id, phase, now) is None
        self._done[rollout_id] = _Search(phase, now if full else self._done[rollout_id].full_at, now)

    def forget(self, rollout_id: str) -> None:
        self._done.pop(rollout_id, None)

    def sleepers(self, now: datetime) -> datetime | None:
        """The same for the question which rollouts that succeeded have somebody who woke."""
        done = self._sleepers
        if done is None or not _fresh(done[0], now):
            self._sleepers = (now, now)
            return None
        self._sleepers = (done[0], now)
        return done[1] - OVERLAP


def _fresh(full_at: datetime, now: datetime) -> bool:
    return 0 <= (now - full_at).total_seconds() < FULL_S
