"""In which order chunks that devices ask for are sent, and when: once for as many devices as can be waited for.

Promises: what is asked for together is sent once, also where the last device asks seconds after the first; a device
that asks in the middle of a blob hears what is left of it and, after that, what it missed, once for all who missed it;
one that came too late for a blob catches up with the others before the next blob, instead of being late for each. No
blob waits behind another for more than `PASSES` of its passes. Pure: time is an argument.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass, field

GATHER_S = 2.0
"""A blob waits so long after the first who asks for it: devices that were assigned together ask together."""
LONGEST = 5
"""Times that, at most, as long as others go on to ask."""
SHORT = 0.25
"""Of it, before what was just sent is sent again, and between two blobs: whoever just got the one asks for the next."""
RECENT_S = 60.0
PASSES = 3
"""Times that a blob is begun anew for those who came in the middle before another one has its turn."""
BLOBS_LIMIT = 64
"""Blobs that wait at once; more are asked for again by their devices."""


@dataclass
class _Waiting:
    """Chunks of a blob that are asked for and not yet sent: (pass, chunk) in the order in which they are sent."""

    first_s: float
    gather_s: float
    due_s: float
    chunks: set[int] = field(default_factory=set)
    order: list[tuple[int, int]] = field(default_factory=list)
    at: tuple[int, int] = (0, -1)
    """What was sent last."""


class Carousel:
    """For one thread at a time. `gather_s` 0 waits for nobody."""

    def __init__(self, gather_s: float = GATHER_S) -> None:
        self._gather_s = gather_s
        self._waiting: dict[str, _Waiting] = {}
        self._sent: dict[str, float] = {}
        """Blobs of which the last chunk was sent of late, and when."""
        self._pause_until = 0.0

    def ask(self, name: str, chunks: Collection[int], now: float) -> None:
        """Note what a device lacks."""
        waiting = self._waiting.get(name)
        if waiting is None:
            if len(self._waiting) >= BLOBS_LIMIT:
                return
            waiting = self._waiting[name] = self._begun(name, now)
        elif waiting.at[1] < 0:
            latest = waiting.first_s + LONGEST * waiting.gather_s
            waiting.due_s = min(latest, max(waiting.due_s, now + waiting.gather_s / 2))
        turn, at = waiting.at
        for chunk in set(chunks) - waiting.chunks:
            heapq.heappush(waiting.order, (turn if chunk > at else turn + 1, chunk))
        waiting.chunks.update(chunks)

    def wait_s(self, now: float) -> float | None:
        """How long it is until something is to be sent; None where nothing is asked for."""
        if not self._waiting:
            return None
        waiting = self._waiting[self._first()]
        due_s = waiting.due_s if waiting.at[1] >= 0 else max(waiting.due_s, self._pause_until)
        return max(0.0, due_s - now)

    def take(self) -> tuple[str, int]:
        """Return the blob and the chunk that are to be sent now; somebody must have asked."""
        name = self._first()
        waiting = self._waiting[name]
        waiting.at = heapq.heappop(waiting.order)
        waiting.chunks.discard(waiting.at[1])
        return name, waiting.at[1]

    def sent(self, name: str, now: float) -> None:
        """What was taken last has been sent; where it was the last chunk, others have their turn."""
        waiting = self._waiting.get(name)
        if waiting is None:
            return
        if waiting.order:
            turn = waiting.order[0][0]
            if turn > waiting.at[0] and turn % PASSES == 0:
                waiting.due_s = now  # behind whatever waits
            return
        del self._waiting[name]
        self._sent = {each: at for each, at in self._sent.items() if now - at < RECENT_S}
        self._sent[name], self._pause_until = now, now + SHORT * self._gather_s

    def drop(self, name: str) -> None:
        """Forget a blob: whoever lacks it asks again."""
        self._waiting.pop(name, None)

    def _first(self) -> str:
        return min(self._waiting, key=lambda name: self._waiting[name].due_s)

    def _begun(self, name: str, now: float) -> _Waiting:
        of_late = now - self._sent.get(name, -RECENT_S) < RECENT_S
        gather_s = self._gather_s * (SHORT if of_late else 1)
        return _Waiting(now, gather_s, now + gather_s)
