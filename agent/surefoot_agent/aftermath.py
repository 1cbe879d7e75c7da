"""What a committed release still has to do to the data for good: its irreversible migration, until it is done.

Promises: begins only while no update goes on, in the lane that also fills slots, so none begins meanwhile; a failure
is told once per process and tried again, ever more seldom. The application runs beside it. Lives on the runner's
thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from surefoot_agent.bench import Bench
from surefoot_agent.lanes import Lane
from surefoot_agent.sight import Hands
from surefoot_agent.timers import Timers
from surefoot_shared.errors import SurefootError

log = logging.getLogger(__name__)
TIMER = "aftermath"
FIRST_S, LONGEST_S = 60.0, 6 * 3600.0
"""Between two tries; doubles with each."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How the work ended; None where all is done."""

    error: SurefootError | OSError | None


class Aftermath:
    """`idle` says whether no update is going on, `tell` notes something for the server."""

    def __init__(
        self,
        hands: Hands,
        bench: Bench,
        timers: Timers,
        idle: Callable[[], bool],
        tell: Callable[[str, str], None],
    ) -> None:
        self._hands, self._bench, self._timers, self._idle, self._tell = hands, bench, timers, idle, tell
        self._wait_s, self._busy = FIRST_S, False
        self._told: set[str] = set()

    def due(self) -> None:
        """Look whether something is left to do: after a start, after a commit, and when the timer rings."""
        if not self._idle():
            self._timers.set(TIMER, FIRST_S)
        elif not self._busy:
            self._busy = True
            hands = self._hands
            self._bench.submit(TIMER, Lane.FILES, lambda: Finished(_finish(hands)))

    def done(self, result: Finished) -> None:
        self._busy, error = False, result.error
        if error is None:
            self._wait_s = FIRST_S
            return
        log.warning("irreversible_migration_failed error=%s again_in_s=%s", error, self._wait_s)
        kind = error.kind if isinstance(error, SurefootError) else "migration_failed"
        message = error.message if isinstance(error, SurefootError) else str(error)
        if message not in self._told:
            self._told.add(message)
            self._tell(kind, message)
        self._timers.set(TIMER, self._wait_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_S)


def _finish(hands: Hands) -> SurefootError | OSError | None:
    try:
        hands.carrier.finish(hands)
    except (SurefootError, OSError) as error:
        return error
    return None
