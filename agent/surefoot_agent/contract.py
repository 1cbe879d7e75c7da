"""The application's side of SUREFOOT_SOCKET: who counts as the application, and what its requests do.

Promises: only the application that runs now is heard, known by the start id it was given, so an orphan of an earlier
release can neither hold a switch back nor call the new release ready; whatever it asks is bounded by the settings. The
contract is docs/application-contract.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from surefoot_agent import holds
from surefoot_agent.clock import stamp
from surefoot_agent.desk import Desk
from surefoot_agent.holds import Moment
from surefoot_agent.orders import Order, Verb
from surefoot_agent.ports import ApplicationControl
from surefoot_agent.record import Record
from surefoot_shared.errors import Conflict
from surefoot_shared.status import BEFORE_ARMED, AttemptState
from surefoot_shared.wire import Json

TOO_LATE = frozenset({AttemptState.ARMED, AttemptState.SWITCHING, AttemptState.REVERTING})
"""The application is being stopped: whoever is told that it holds the switch back would be told an untruth."""


class AttemptDesk(Protocol):
    """What the requests do to an attempt."""

    @property
    def record(self) -> Record: ...
    def look_again(self) -> None: ...
    def said_ready(self, start: str) -> bool: ...


def admission(application: ApplicationControl) -> Callable[[Order], None]:
    """Return the check of who asks; it reads /proc, so it runs on the connection's own thread."""

    def admit(order: Order) -> None:
        if order.verb is Verb.STATUS:
            return
        running = application.running()
        if running is None or not order.start or running.start_id != order.start:
            message = "The request is not of the application that runs now."
            raise Conflict("conflict", message, 'Send SUREFOOT_START_ID of its environment as "start".')

    return admit


class Contract:
    """Carries out lock, unlock, defer and ready; lives on the runner's thread."""

    def __init__(self, desk: Desk, attempt: AttemptDesk) -> None:
        self._desk, self._attempt, self._journal = desk, attempt, desk.journal

    def take(self, order: Order) -> dict[str, Json]:
        """Return what the answer says besides ok. Raises Conflict."""
        if not order.start:
            return self._of_a_person(order)
        match order.verb:
            case Verb.LOCK:
                return self._lock(order)
            case Verb.UNLOCK:
                self._keep(holds.Holds(deferral=self._held().deferral))
            case Verb.DEFER:
                return self._defer(order)
            case Verb.READY:
                return {"counted": self._attempt.said_ready(order.start)}
        return {}

    def _of_a_person(self, order: Order) -> dict[str, Json]:
        """A person's unlock ends what the application holds too: whoever stands at the device knows more."""
        if order.verb not in (Verb.LOCK, Verb.UNLOCK):
            raise Conflict("conflict", f"Only the application may say {order.verb.value}.")
        self._journal.set_locked(order.verb is Verb.LOCK)
        if order.verb is Verb.UNLOCK:
            self._keep(holds.Holds())
        self._attempt.look_again()
        return {}

    def _lock(self, order: Order) -> dict[str, Json]:
        self._in_time()
        most_s = self._desk.rules.lock_max_s
        for_s = min(order.for_s or most_s, most_s)
        self._keep(holds.locked(self._held(), order.start, for_s, order.reason, self._now()))
        return {"granted_s": for_s}

    def _defer(self, order: Order) -> dict[str, Json]:
        record = self._attempt.record
        if record.wish is None or record.state not in BEFORE_ARMED:
            raise Conflict("conflict", "No update is under way that could be put off.")
        most_s = self._desk.rules.defer_max_s
        for_s = order.for_s or most_s
        after, granted_s = holds.deferred(
            self._held(), record.wish.assignment, for_s, order.reason, self._now(), most_s
        )
        self._keep(after)
        return {"granted_s": round(granted_s, 3)}

    def _in_time(self) -> None:
        if self._attempt.record.state in TOO_LATE:
            raise Conflict("conflict", "The switch has begun; there is nothing left to hold back.")

    def _held(self) -> holds.Holds:
        return self._journal.held_back(self._attempt.record.component)

    def _keep(self, after: holds.Holds) -> None:
        if after != self._held():
            self._journal.set_holds(self._attempt.record.component, after)
        self._attempt.look_again()

    def _now(self) -> Moment:
        return moment(self._desk)


def moment(desk: Desk) -> Moment:
    clock = desk.hands.clock
    return Moment(clock.monotonic(), clock.boot_id(), stamp(clock.utc()))
