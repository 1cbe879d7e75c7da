"""Writers of one process, one at a time in the order in which they came.

SQLite lets whoever asks at the right instant write next: beside a busy ingest an operator's halt could wait in vain.
Promises: nobody is passed but by who is `urgent`, which is what stops a fleet; whoever waited for `limit_s` goes on
without the turn, so that nothing hangs for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class InTurn:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def turn(self, limit_s: float, *, urgent: bool = False) -> Iterator[bool]:
        """Wait for the turn and hold it; yields whether it came within `limit_s`. Who is urgent is the next."""
        mine = threading.Event()
        with self._lock:
            if self._taken:
                (self._waiting.appendleft if urgent else self._waiting.append)(mine)
            else:
                self._taken = True
                mine.set()
        held = mine.wait(limit_s) or not self._gave_up(mine)
        try:
            yield held
        finally:
            if held:
                self._pass_on()

    def _gave_up(self, mine: threading.Event) -> bool:
        with self._lock:
            if mine not in self._waiting:  # it was handed over in the last moment
                return False
            self._waiting.remove(mine)
            return True

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
