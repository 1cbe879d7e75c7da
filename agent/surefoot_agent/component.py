"""One component of this device as the loop drives it: its start-up, its attempt, its application, its timers and work.

Promises: nothing here blocks; what its work brings comes back through `post` under its name, so that two components
never take each other's results. Decides nothing: the start-up table, the machine and `plan` do. Lives on the runner's
thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from surefoot_agent import aftermath, plan, report, settle, sight, startup
from surefoot_agent import events as e
from surefoot_agent.aftermath import Aftermath
from surefoot_agent.attempt import TIMERS, Attempt
from surefoot_agent.bench import Bench, Done
from surefoot_agent.contract import Contract
from surefoot_agent.desk import Desk
from surefoot_agent.journal import Journal
from surefoot_agent.lanes import Lane, Lanes
from surefoot_agent.ports import Decision
from surefoot_agent.reconcile import decide
from surefoot_agent.record import Record, about
from surefoot_agent.results import Fetched, Settled
from surefoot_agent.storage import FORGOT
from surefoot_agent.timers import Timers
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import USABLE_AGAIN, EventKind, Lease, RunningProof
from surefoot_shared.status import AFTER_ARMED, AttemptState

log = logging.getLogger(__name__)

SETTLE_S = 60.0
"""How often an application that is not there at all is started again; `tend` has its own, faster back-off."""
HANDS_OFF = frozenset({*AFTER_ARMED, AttemptState.COMMITTING, AttemptState.REVERTING})
"""States in which the attempt alone starts and stops the application."""


@dataclass(frozen=True, slots=True)
class Of:
    """What work for one component brought."""

    component: str
    item: Done | Fetched


class Component:
    """`post` queues an Of from any thread, `stored` is called after a save; `floors` raises the floors of its slot."""

    def __init__(
        self,
        desk: Desk,
        lanes: Lanes,
        post: Callable[[Of], None],
        rand: Callable[[], float],
        stored: Callable[[], None],
        raise_floors: Callable[[], None],
    ) -> None:
        name = self.name = desk.rules.component
        self.desk, self._hands, self._floors = desk, desk.hands, raise_floors
        self._bench = Bench(lanes, lambda done: post(Of(name, done)))
        self._timers = Timers(desk.hands.clock.monotonic)
        self.attempt = Attempt(
            desk,
            self._bench,
            self._timers,
            rand,
            lambda fetched: post(Of(name, fetched)),
            stored,
            self._went_idle,
            self._raise_floors,
        )
        self.contract = Contract(desk, self.attempt)
        self._decision: Decision | None = None
        self._aftermath = Aftermath(desk.hands, self._bench, self._timers, self._is_idle, self._tell)
        self._stored = stored
        self._barred = False
        """An open trial that the journal does not know is the guard's to end; until then nothing is begun."""

    @property
    def record(self) -> Record:
        return self.attempt.record

    def start(self, journal: Journal) -> None:
        """Look at what happened while we were off, and go on from there; an attempt only where it can be remembered."""
        seen, limit = startup.see(self._hands, self.record), self._hands.max_starts
        readable = journal.readable and (journal.stores or self._is_idle()) and not seen.stranger
        self._barred = journal.readable and seen.stranger
        if self._barred:
            journal.begin_stream()
            self._tell("journal_unreadable", FORGOT)
        row = decide(startup.facts(self.record, seen, readable, limit))
        about_it = about(self.record)
        log.info("started state=%s next=%s why=%s %s", self.record.state.value, row.next.value, row.why, about_it)
        if (beside := self._hands.shadow) is not None:
            self._bench.submit("quiet", Lane.APP, beside.stop)  # nobody watched it while we were off
        first = startup.begin(row.next, self.record, seen, limit)
        if first.settle:
            self._settle()
        for event in first.events:
            self.attempt.play(event)
        for effect in first.effects:
            self.attempt.order(effect)
        if self.record.state is AttemptState.IDLE:
            self._raise_floors()

    def stop(self) -> None:
        self.attempt.stop()

    def tick(self) -> float:
        """Do what is due; return the seconds until something will be."""
        while (name := self._timers.take_due()) is not None:
            if name in TIMERS:
                self.attempt.due(name)
            elif name == aftermath.TIMER:
                self._aftermath.due()
            else:
                self._settle()
        return self._timers.wait_s()

    def keep(self) -> None:
        """Once a second: the application lives, a wish that waited for idle is taken."""
        if self.record.state not in HANDS_OFF:
            self._bench.submit("tend", Lane.APP, self._hands.application.tend)
            if not self._timers.waits("settle"):
                self._timers.set("settle", SETTLE_S)
        if plan.wanted(self.record, self._decision):
            self.take_next()

    def take(self, item: Done | Fetched) -> None:
        """Take what work for this component brought."""
        if isinstance(item, Fetched):
            self.attempt.fetched(item)
            return
        if item.error is not None and not isinstance(item.error, (SurefootError, OSError)):
            raise item.error  # a bug of ours: crash, and let the start-up table sort it out
        if not self._bench.take(item):
            return
        if item.error is not None:
            log.warning("work_failed name=%s error=%s %s", item.name, item.error, about(self.record))
            if item.token:
                self.attempt.failed(item.name, item.error)
        elif isinstance(item.result, (e.FellBack, e.Stuck)) and item.name == "settle":
            self._settled_by(item.result)
        elif isinstance(item.result, Settled):
            self._follow(item.result.proof)
        elif isinstance(item.result, aftermath.Finished):
            self._aftermath.done(item.result)
        else:
            self.attempt.done(item.result)

    def decided(self, decision: Decision, proof: RunningProof | None) -> None:
        """Follow what verified metadata says. `proof` is of what ran committed when it was read."""
        self._decision = decision
        self._follow(proof)

    def take_next(self) -> None:
        """Look what runs, and follow the last decision again."""
        hands = self._hands
        if self._decision is not None:
            self._bench.submit("settled", Lane.LOOK, lambda: Settled(sight.settled(hands)))

    def halted(self, epoch: int, digests: tuple[str, ...], root: int) -> None:
        for event in plan.halt(self.record, epoch, digests, root):
            self.attempt.play(event)

    def lease_arrived(self, lease: Lease) -> None:
        """Take leave to download, unless it is for the attempt of another component."""
        wish = self.record.wish
        if wish is None or wish.assignment == lease.assignment:
            self.attempt.lease_arrived(lease)

    def _follow(self, proof: RunningProof | None) -> None:
        assert self._decision is not None  # whoever looks what runs has one
        if self._is_barred():
            return
        for event in plan.plan(self.record, self._decision, proof):
            self.attempt.play(event)

    def _settled_by(self, event: e.FellBack | e.Stuck) -> None:
        """Boot control was found without a slot, or a slot was left; an attempt that began since looks for itself."""
        if self._is_idle():
            self.attempt.play(event)

    def _is_barred(self) -> bool:
        if self._barred and not startup.stranger(self._hands, self.record):
            self._barred = False
            log.info("trial_ended_by_the_guard %s", about(self.record))
            self._tell(USABLE_AGAIN, "The guard ended the trial that the journal did not know.")
            if self.record.committed is None and (held := sight.committed(self._hands)) is not None:
                self.attempt.play(e.Running(held))
        return self._barred

    def _raise_floors(self) -> None:
        """A release is committed, or found so at the start."""
        self._floors()
        self._aftermath.due()

    def _is_idle(self) -> bool:
        return self.record.state is AttemptState.IDLE

    def _tell(self, reason: str, message: str) -> None:
        self.desk.journal.note((report.notice(self.desk.stamp(), self.record, EventKind.NOTICE, reason, message),))
        self._stored()

    def _went_idle(self) -> None:
        """The attempt ended: whatever it left, the application of the current slot runs, and the next wish begins."""
        self._settle()
        self.take_next()

    def _settle(self) -> None:
        hands = self._hands
        if self.record.state not in HANDS_OFF:
            alone = self._is_idle()
            self._bench.submit("settle", Lane.APP, lambda: settle.ensure_running(hands, alone))
