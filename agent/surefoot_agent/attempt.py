"""The shell of the machine for one component: event → step → journal → effect, and what its own timers and work bring.

Promises: the record and its reports are on the medium before an effect begins; a result that belongs to a state
already left is dropped; nothing here blocks. Decides nothing: the table (machine), the judge (probation) and
`plan.turn` do. Lives on the runner's thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from surefoot_agent import contract, effects, failures, holds, plan, report, shadow, sight
from surefoot_agent import events as e
from surefoot_agent.alone import ALONE
from surefoot_agent.bench import Bench
from surefoot_agent.desk import Desk
from surefoot_agent.events import Effect
from surefoot_agent.health.probation import HealthVerdict, Stage
from surefoot_agent.joint import Gate
from surefoot_agent.journal import Draft
from surefoot_agent.lanes import Lane
from surefoot_agent.leases import HeldLease
from surefoot_agent.machine import step
from surefoot_agent.ports import CheckResult, Suite
from surefoot_agent.record import about
from surefoot_agent.results import Checked, Fetched, Owner, Sayings
from surefoot_agent.sight import Hands
from surefoot_agent.telling import Telling, Told
from surefoot_agent.timers import Timers, full_jitter
from surefoot_agent.watch import Watch, event_of
from surefoot_shared.errors import Conflict, SurefootError, Unreachable
from surefoot_shared.messages import Lease, Source
from surefoot_shared.status import AFTER_ARMED, AttemptState

log = logging.getLogger(__name__)

WATCH_S = 0.25
"""Granularity of probation; checks have intervals of their own."""
LOOK_S = 1.0
"""How often the verdict and the process on trial are looked at."""
TURN_S = 1.0
WAITS_S = 600.0
"""How often a waiting device says so again: it renews the step's timeout on the server."""
MEDIUM_S = 3600.0
"""A medium needs no server's leave; it is looked at anew once an hour."""
LEASE_ASK_S = 30.0
"""Between two reminders that a lease is awaited; the server answers the first at once where it may."""
AGAIN_S = 2.0
"""Until a step is done once more that the privileged half did not finish; it is started again within seconds."""
TIMERS = ("retry", "lease", "turn", "watch", "look", "again")


class Attempt:
    """`post` queues a Fetched from any thread; `next_wish` is called when idle was reached, `stored` after a save."""

    def __init__(
        self,
        desk: Desk,
        bench: Bench,
        timers: Timers,
        rand: Callable[[], float],
        post: Callable[[Fetched], None],
        stored: Callable[[], None],
        next_wish: Callable[[], None],
        raise_floors: Callable[[], None],
    ) -> None:
        self._desk, self._hands, self._journal, self._clock = desk, desk.hands, desk.journal, desk.hands.clock
        self._bench, self._timers, self._rand = bench, timers, rand
        self._post, self._stored, self._next_wish, self._raise_floors = post, stored, next_wish, raise_floors
        self.record = self._journal.record(desk.rules.component)
        self._lease: HeldLease | None = None
        self._medium: Source | None = None
        self._stop = threading.Event()
        self._telling = Telling()
        self._watch: Watch | None = None
        self._waits, self._ready = ("", 0.0), ""
        self._condemned: e.Event | None = None
        self.fellows: Mapping[str, Hands] = {}
        self.gate: Gate | None = None
        self._act: Callable[[], None] | None = None
        self._again: Callable[[], None] = lambda: None

    # --- the machine --------------------------------------------------------------------------------------------------

    def play(self, event: e.Event) -> None:
        """Step, save, then act: in this order."""
        before = self.record
        after, ordered = step(before, event)
        drafts = report.drafts(self._desk.stamp(), before, event, after, ordered)
        if after != before or drafts:
            self._journal.save(after, drafts)
        self.record = after
        if after.state is not before.state:
            self._left(before.state)
        self._stored()
        for effect in ordered:
            self.order(effect)

    def order(self, effect: Effect) -> None:
        """Begin an effect."""
        hands, record, fellows = self._hands, self.record, self.fellows
        if effect in ALONE:
            lane, act = ALONE[effect]
            self._run(effect, lane, lambda: act(hands, record))
            return
        match effect:
            case Effect.REPORT | Effect.REPORT_OUTCOME | Effect.REPORT_FELL_BACK:
                pass  # stored with the record, sent by the post
            case Effect.BEGIN:
                self.play(e.Begun())
            case Effect.ASK_LEASE:
                self._ask_lease()
            case Effect.DOWNLOAD:
                self._download()
            case Effect.WAIT_TURN:
                shadow.renewed(self._bench, hands.shadow, record)
                self._timers.set("turn", 0.0)
            case Effect.ARM:
                self._run(effect, Lane.APP, lambda: effects.arm(hands, record, fellows))
            case Effect.SWITCH:
                self._wait_at(Gate.SWITCH, lambda: self._run(effect, Lane.APP, lambda: effects.switch(hands, record)))
            case Effect.COMMIT:
                self._run(effect, Lane.APP, lambda: effects.commit(hands, record, fellows))
            case Effect.REVERT:
                self._wait_at(Gate.REVERT, lambda: self._run(effect, Lane.APP, lambda: effects.revert(hands, record)))
            case Effect.RETRY_LATER:
                self._retry(None)
            case Effect.RAISE_FLOORS:
                self._raise_floors()
            case Effect.TAKE_NEXT:
                self._next_wish()

    def pass_gate(self) -> bool:
        """Go on from where it waited for the other members of its set; return whether it waited."""
        act, self.gate, self._act = self._act, None, None
        if act is not None:
            self._timers.drop("turn")
            act()
        return act is not None

    def _wait_at(self, gate: Gate, act: Callable[[], None]) -> None:
        """Act at once, or in a set once the others let it."""
        if self.record.wish is None or self.record.wish.joint is None:
            act()
        else:
            self.gate, self._act = gate, act

    def _run(self, effect: Effect, lane: Lane, work: Callable[[], object]) -> None:
        self._timers.drop("again")
        self._again = lambda: self._run(effect, lane, work)
        self._bench.effect(effect.value, lane, work)

    def _left(self, state: AttemptState) -> None:
        """Nothing that was ordered in a state left behind may speak for the new one."""
        reason = self.record.ending.reason if self.record.ending else "-"
        log.info("state from=%s to=%s reason=%s %s", state.value, self.record.state.value, reason, about(self.record))
        self._stop.set()
        self._watch, self._waits, self.gate, self._act = None, ("", 0.0), None, None
        self._bench.forget()
        for name in TIMERS:
            self._timers.drop(name)

    # --- what comes back ----------------------------------------------------------------------------------------------

    def done(self, result: object) -> None:
        """Take the result of an effect."""
        match result:
            case e.Event() as event:
                self.play(event)
            case Suite() as suite:
                self._watch = Watch(suite, self._clock.monotonic())
                self._timers.set("watch", 0.0)
                self._timers.set("look", LOOK_S)
            case Checked(results):
                self._judge(results)
            case Owner(start):
                self._look_at_turn(start)
            case plan.Waits(why):
                self._timers.set("turn", TURN_S)
                self._say_why(why)

    def failed(self, name: str, error: SurefootError | OSError) -> None:
        """Say what failed work means for the attempt."""
        if name.startswith("check:"):
            if self._watch is not None:
                blind_at = self._clock.monotonic() if failures.again(error) else None
                self._watch.lost(name.removeprefix("check:"), blind_at)
        elif name == "condemn" and self._condemned is not None:
            self.play(self._condemned)
        elif name == Effect.DOWNLOAD.value and isinstance(error, Unreachable):
            self._broke(error)
        elif name == "turn":
            self._timers.set("turn", TURN_S)
        elif name != "look" and failures.again(error):
            self._timers.set("again", AGAIN_S)
            self._say_why(failures.WAITS)
        elif name != "look":  # a look that failed is looked again
            self.play(failures.step_failed(error))

    def due(self, name: str) -> None:
        """A timer of the attempt rings."""
        match name:
            case "retry":
                self.play(e.RetryDue())
            case "again":
                self._again()
            case "lease":
                self._note(report.progress(self._desk.stamp(), self.record, "A lease is awaited."))
                self._ask_lease()
            case "turn":
                self._turn()
            case "watch":
                self._timers.set("watch", WATCH_S)
                self._look_at_checks()
            case "look":
                self._timers.set("look", LOOK_S)
                hands, record = self._hands, self.record
                if not self._bench.busy("look"):
                    self._bench.effect("look", Lane.LOOK, lambda: effects.look(hands, record))

    def fetched(self, item: Fetched) -> None:
        """Report what a download says, of the one that is under way."""
        if item.stop is self._stop and not item.stop.is_set():
            self._tell(self._telling.of(item, self._clock.monotonic()))

    def commit_now(self) -> None:
        """End the soak early, by a person's order: only once every required check is steady. Raises Conflict."""
        if self.record.state is AttemptState.COMMITTING:
            return
        if self._watch is None or self._watch.stage is not Stage.SOAK:
            raise Conflict("conflict", "No release on trial has shown itself steady; there is nothing to commit.")
        soaked_s = self._watch.soaked_s(self._clock.monotonic())
        self._wait_at(Gate.COMMIT, lambda: self.play(e.Healthy(soaked_s)))

    def revert_now(self, message: str) -> None:
        """Go back, by order. Raises Conflict where no release is on trial."""
        if self.record.state not in AFTER_ARMED:
            raise Conflict("conflict", "No release is on trial; a committed one goes back by an assignment.")
        self.play(e.OrderedBack(message))

    def use_medium(self, medium: Source | None) -> None:
        """Fetch from this folder first; None: from the network alone."""
        self._medium, self._lease = medium, None

    def lease_arrived(self, lease: Lease) -> None:
        if self._medium is not None:
            lease = replace(lease, sources=(self._medium, *lease.sources))
        self._lease = HeldLease(lease, self._clock.monotonic())
        waiting = not self._bench.busy(Effect.DOWNLOAD.value) and not self._timers.waits("retry")
        if self.record.state is AttemptState.DOWNLOADING and waiting:
            self._ask_lease()

    def stop(self) -> None:
        """End a download that is under way; what it fetched stays."""
        self._stop.set()

    # --- download -----------------------------------------------------------------------------------------------------

    def _ask_lease(self) -> None:
        """Go on with the lease that holds, else wait for one: the report of the state was the request."""
        wish, now = self.record.wish, self._clock.monotonic()
        if wish is not None and self._medium is not None and self._lease is None:
            self._lease = HeldLease(Lease(wish.assignment, (self._medium,), MEDIUM_S), now)
        if wish is not None and self._lease is not None and self._lease.serves(wish.assignment, now):
            self.play(e.LeaseGiven())
            return
        self._stop.set()
        self._bench.forget(Effect.DOWNLOAD.value)
        self._timers.set("lease", LEASE_ASK_S * (0.5 + self._rand()))

    def _download(self) -> None:
        assert self._lease is not None  # LeaseGiven is played with one only
        self._stop.set()
        stop = self._stop = threading.Event()
        self._timers.drop("lease")
        self._telling.began(self._clock.monotonic())
        lease = self._lease.from_now(self._clock.monotonic())
        hands, record, post = self._hands, self.record, self._post

        def progress(done: int, total: int) -> None:
            post(Fetched(stop, done, total))

        said = Sayings(lambda sentence: post(Fetched(stop, 0, 0, sentence)))
        self._run(
            Effect.DOWNLOAD, Lane.FILES, lambda: effects.download(hands, record, lease, progress, stop.is_set, said)
        )

    def _broke(self, error: Unreachable) -> None:
        """Only the network failed: the attempt goes on, after a while or with another lease."""
        if error.kind == "lease_expired":
            suspect = self._lease is not None and self._lease.suspect(self._clock.monotonic())
            self._lease = None
            if not suspect:
                self.play(e.LeaseEnded())
                self._note(report.progress(self._desk.stamp(), self.record, "The lease ended."))
                return
        self.play(e.Interrupted(error.kind, error.message, error.retry_after_s))
        self._tell(self._telling.broke(error, self._clock.monotonic()))
        if error.retry_after_s:
            self._retry(error.retry_after_s)

    def _tell(self, told: Told | None) -> None:
        if told is not None:
            self._note(report.progress(self._desk.stamp(), self.record, *told))

    def _retry(self, retry_after_s: float | None) -> None:
        slow = self.record.state is AttemptState.RESCUE
        self._timers.set("retry", full_jitter(self.record.retries, self._rand(), retry_after_s, slow))

    # --- turn and probation -------------------------------------------------------------------------------------------

    def look_again(self) -> None:
        """What holds the switch back has changed: look anew, also where it was about to begin."""
        if (self.record.state is AttemptState.STAGED or self.record.full) and not self._bench.busy(Effect.SEAL.value):
            self._bench.forget(Effect.MEASURE.value)
            self._timers.drop("again")
            self._timers.set("turn", 0.0)

    def said_ready(self, start: str) -> bool:
        """The application started as `start` calls itself ready; return whether that counts in a probation."""
        self._ready = start
        return self.record.state in AFTER_ARMED and self.record.activation == start

    def _turn(self) -> None:
        """Look who owns a lock, where there is one; then whether the turn came."""
        hands, record = self._hands, self.record
        if record.state is AttemptState.STAGED and record.wish is not None and record.wish.shadow is not None:
            self._bench.effect("shadow", Lane.APP, lambda: shadow.step(hands.shadow, hands.slots, record))
        elif self._journal.held_back(self.record.component).lock is None:
            self._look_at_turn(None)
        else:
            self._bench.effect("turn", Lane.LOOK, lambda: Owner(sight.start_id(hands)))

    def _look_at_turn(self, start: str | None) -> None:
        assert self.record.wish is not None  # the timer runs where a turn is awaited
        wish, held = self.record.wish, self._journal.held_back(self.record.component)
        why = holds.why_held(held, self._journal.locked(), start, wish.assignment, contract.moment(self._desk))
        came = plan.came(self.record, self._clock.utc(), why)
        if isinstance(came, plan.Waits):
            self._timers.set("turn", TURN_S)
            self._say_why(came.why)
            if wish.joint is not None:
                self._wait_at(Gate.HELD, lambda: self.play(e.TurnCame()))
        elif isinstance(came, e.TurnCame) and wish.joint is not None:
            self._timers.set("turn", TURN_S)  # it may be held back again while it waits
            self._wait_at(Gate.TURN, lambda: self.play(came))
        else:
            self.play(came)

    def _say_why(self, why: str) -> None:
        """Tell the server what is waited for: when that is something else, and now and then that it still is."""
        now = self._clock.monotonic()
        if (why, True) != (self._waits[0], now - self._waits[1] < WAITS_S):
            self._waits = (why, now)
            self._note(report.progress(self._desk.stamp(), self.record, why))

    def _look_at_checks(self) -> None:
        watch = self._watch
        if watch is None:
            return
        for name in watch.take_due(self._clock.monotonic()):
            self._bench.effect(f"check:{name}", Lane.LOOK, self._check(watch.suite, name))
        self._judge(())

    def _check(self, suite: Suite, name: str) -> Callable[[], object]:
        hands, record = self._hands, self.record
        return lambda: Checked(tuple(effects.check(hands, record, suite, name)))

    def _judge(self, results: Sequence[CheckResult]) -> None:
        watch = self._watch
        if watch is None:
            return
        stage = watch.stage
        if self._ready and self._ready == self.record.activation:
            watch.ready(self._clock.monotonic())
        verdict = watch.judge(results, self._clock.monotonic())
        if verdict is not None and verdict.healthy:
            self._wait_at(Gate.COMMIT, lambda: self._proved(verdict))
        elif verdict is not None:
            self._condemn(event_of(verdict))
        elif watch.stage is not stage:
            self._note(report.progress(self._desk.stamp(), self.record, watch.stage.value))

    def _condemn(self, event: e.Event) -> None:
        """An agent that was stopped, and wakes to find the guard's work, must not call the release sick."""
        hands, record, self._watch, self._condemned = self._hands, self.record, None, event
        self._bench.effect("condemn", Lane.LOOK, lambda: effects.condemn(hands, record, event))

    def _proved(self, verdict: HealthVerdict) -> None:
        if verdict.doubt:
            self._note(report.progress(self._desk.stamp(), self.record, verdict.doubt))
        self.play(event_of(verdict))

    def _note(self, draft: Draft) -> None:
        self._journal.note((draft,))
        self._stored()
