"""When the device's renewal looks, switches, confirms and goes back, seen from the loop.

Promises: nothing begins and nothing switches while an update is not committed; a new pair counts as good only after the
broker let us in with that very pair, and one that does not get in is given up after TRY_S. Lives on the runner's
thread; what talks to the server or the medium is done in a worker, one thing at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from surefoot_agent.bench import Bench
from surefoot_agent.lanes import Lane
from surefoot_agent.renew import POLL_S, SOON_S, TRY_S, Confirmed, Prepared, Renewal
from surefoot_agent.timers import Timers

log = logging.getLogger(__name__)

LOOK = "renew"
GIVE_UP = "renew-trial"
TIMERS = frozenset({LOOK, GIVE_UP})
FIRST_S = 60.0
"""After the start, where the device has more urgent things to do."""


class Handover:
    """`idle` says whether no update is going on. Without a renewal it does nothing."""

    def __init__(
        self,
        renewal: Renewal | None,
        bench: Bench,
        timers: Timers,
        idle: Callable[[], bool],
        rand: Callable[[], float],
    ) -> None:
        self._renewal, self._bench, self._timers, self._idle, self._rand = renewal, bench, timers, idle, rand

    def start(self) -> None:
        if self._renewal is None:
            return
        self._timers.set(LOOK, FIRST_S * (0.5 + self._rand()))
        if self._renewal.on_trial:  # the agent was started again before it ever connected with the new pair
            self._timers.set(GIVE_UP, TRY_S)

    def due(self, name: str) -> None:
        """A timer of TIMERS rang."""
        if self._renewal is None:
            return
        if name == GIVE_UP:
            log.warning("renewal_gave_up pair=%s", self._renewal.pair)
            self._renewal.go_back()
            return
        self._timers.set(LOOK, POLL_S * (0.5 + self._rand()))
        if not self._later_if_busy():
            self._bench.submit(LOOK, Lane.LOOK, self._renewal.prepare)

    def connected(self, pair: str) -> None:
        """The broker let us in with this pair."""
        if self._renewal is not None and self._renewal.on_trial and pair == self._renewal.pair:
            self._timers.drop(GIVE_UP)
            self._bench.submit("renewed", Lane.LOOK, self._renewal.confirm)

    def done(self, result: Prepared | Confirmed) -> None:
        """What a worker brought."""
        if self._renewal is None or not isinstance(result, Prepared):
            return
        if result.ready and not self._later_if_busy():
            self._renewal.adopt()
            self._timers.set(GIVE_UP, TRY_S)
            log.info("renewal_switched pair=%s", self._renewal.pair)

    def _later_if_busy(self) -> bool:
        busy = not self._idle()
        if busy:
            self._timers.set(LOOK, SOON_S)
        return busy
