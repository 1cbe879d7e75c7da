"""The only loop of the agent: what the link, the local socket, the timers and the workers bring, one after the other.

Promises: nothing here blocks; every wait is monotonic; what is said is said again until it is acknowledged. Without
threads it is driven by `handle`, `tick` and `drain`, which is how tests and simulators play it. Decides nothing: see
machine, plan, reconcile and probation.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections.abc import Callable
from pathlib import Path

from surefoot_agent import aftermath, downlink, handover, plan, report, sight, startup
from surefoot_agent.aftermath import Aftermath
from surefoot_agent.attempt import TIMERS, Attempt, Fetched, about
from surefoot_agent.bench import Bench, Done
from surefoot_agent.contract import Contract
from surefoot_agent.desk import Desk, Sighting
from surefoot_agent.download import local
from surefoot_agent.handover import Handover
from surefoot_agent.lanes import Lane, Lanes
from surefoot_agent.orders import Order, Verb
from surefoot_agent.ports import ApplicationControl, Decision
from surefoot_agent.post import Post, Publisher
from surefoot_agent.pull import Pulled
from surefoot_agent.reconcile import decide
from surefoot_agent.record import Record
from surefoot_agent.renew import Confirmed, Prepared
from surefoot_agent.results import Aged, Decided, HaltRead, Sampled
from surefoot_agent.timers import Timers
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import EventKind, RunningProof, Sample, TrustHint
from surefoot_shared.status import AFTER_ARMED, AttemptState
from surefoot_shared.trust.bundle import read_bundle

log = logging.getLogger(__name__)

KEEP_S = 1.0
"""How often a dead application is noticed while nothing is on trial."""
SETTLE_S = 60.0
"""How often an application that is not there at all is started again; `tend` has its own, faster back-off."""
ANSWER_S = 30.0
"""A hello that no bundle answers is said again after about this time, then after twice as long, and so on."""
AGE_S = 3600.0
"""How often it is looked whether what is trusted has grown old; days are counted."""
HINT_S = 5.0
"""Spread of the hellos after a hint that reached the whole fleet at once."""
NOTICES = 64
"""Different notices told per process: a hostile server must not fill the outbox with refusals."""
HANDS_OFF = frozenset({*AFTER_ARMED, AttemptState.COMMITTING, AttemptState.REVERTING})
"""States in which the attempt alone starts and stops the application."""

Item = downlink.LinkEvent | Order | Done | Fetched


class Runner:
    """One component of one device: `start`, then `run` (threads), or `tick` and `drain` (none)."""

    def __init__(
        self,
        desk: Desk,
        lanes: Lanes,
        link: Callable[[Callable[[Item], None]], Publisher],
        rand: Callable[[], float] = random.random,
    ) -> None:
        """`link` is given the function to which it must hand its events, from any thread."""
        self._desk, self._rules, self._hands, self._trust = desk, desk.rules, desk.hands, desk.trust
        self._journal, self._clock, self._rand = desk.journal, desk.hands.clock, rand
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._bench, self._timers = Bench(lanes, self.post), Timers(self._clock.monotonic)
        self.link = link(self.post)
        self._outbox = Post(self._rules.device, self._journal, self.link, desk.seal, self._rules.telemetry_keep)
        self._attempt = Attempt(
            desk, self._bench, self._timers, rand, self.post, self._flush, self._went_idle, self._raise_floors
        )
        self._contract = Contract(desk, self._attempt)
        self._decision: Decision | None = None
        self._decided_raw = b""
        self._noticed: set[tuple[str, str]] = set()
        self._sighting: Sighting | None = None
        self._unanswered = 0
        self._handover = Handover(desk.renewal, self._bench, self._timers, self._is_idle, rand)
        self._aftermath = Aftermath(self._hands, self._bench, self._timers, self._is_idle, self._notice)

    @property
    def record(self) -> Record:
        return self._attempt.record

    @property
    def application(self) -> ApplicationControl:
        return self._hands.application

    def post(self, item: Item) -> None:
        """Queue something that happened; from any thread."""
        self._queue.put(item)

    def start(self) -> None:
        """Look at what happened while we were off, and go on from there."""
        self._handover.start()
        self._timers.set("keep", KEEP_S)
        self._timers.set("sample", self._rules.telemetry_interval_s * self._rand())
        self._timers.set("age", AGE_S * self._rand())
        seen, limit = startup.see(self._hands, self.record), self._hands.max_starts
        row = decide(startup.facts(self.record, seen, self._journal.readable, limit))
        log.info("started state=%s next=%s why=%s %s", self.record.state.value, row.next.value, row.why, self._about())
        if not self._journal.readable:
            self._notice(EventKind.NOTICE, "journal_unreadable", "The journal cannot be read; nothing is changed.")
        first = startup.begin(row.next, self.record, seen, limit)
        if first.settle:
            self._settle()
        for event in first.events:
            self._attempt.play(event)
        for effect in first.effects:
            self._attempt.order(effect)
        if self.record.state is AttemptState.IDLE:
            self._raise_floors()

    def run(self, stop: threading.Event) -> None:
        """Loop until `stop` is set; then keep what must not be lost."""
        try:
            while not stop.is_set():
                wait_s = self.tick()
                try:
                    self.handle(self._queue.get(timeout=min(wait_s, KEEP_S)))
                except queue.Empty:
                    continue
        finally:
            self._attempt.stop()
            self._bench.stop()
            self._outbox.persist()

    def drain(self) -> None:
        """Handle all that is queued, and what follows from it."""
        while not self._queue.empty():
            self.handle(self._queue.get())

    def tick(self) -> float:
        """Do what is due; return the seconds until something will be."""
        while (name := self._timers.take_due()) is not None:
            if name in TIMERS:
                self._attempt.due(name)
            else:
                self._due(name)
        return self._timers.wait_s()

    def handle(self, item: Item) -> None:
        """Take one thing that happened."""
        match item:
            case Done():
                self._done(item)
            case Fetched():
                self._attempt.fetched(item)
            case Order():
                self._ordered(item)
            case downlink.Connected(pair):
                self._handover.connected(pair)
                self._timers.drop("pull")
                self._say_hello()
            case downlink.Disconnected(reason, message):
                self._outbox.disconnected()
                self._timers.drop("hello")
                self._pull_later()
                if reason != "unreachable":
                    self._notice(EventKind.NOTICE, reason, message)
            case downlink.BundleArrived(raw):
                self._bundle(raw)
            case downlink.HaltArrived(raw):
                trust = self._trust
                self._bench.submit("halt", Lane.TRUST, lambda: HaltRead(*trust.halt(raw)))
            case downlink.AckArrived(ack):
                self._outbox.acknowledged(ack)
            case downlink.LeaseArrived(lease):
                self._attempt.lease_arrived(lease)
            case downlink.RequestArrived(request):
                desk, status = self._desk, self._desk.status(self.record)
                self._bench.submit("request", Lane.LOOK, lambda: desk.answer(request, status))
            case downlink.TrustHintArrived(hint):
                self._hinted(hint)
            case downlink.MessageRefused(topic, message):
                self._notice(EventKind.NOTICE, "malformed", f"{topic}: {message}")

    # --- results and timers -------------------------------------------------------------------------------------------

    def _done(self, done: Done) -> None:
        if done.error is not None and not isinstance(done.error, (SurefootError, OSError)):
            raise done.error  # a bug of ours: crash, and let the start-up table sort it out
        if not self._bench.take(done):
            return
        if done.error is not None:
            self._failed(done, done.error)
            return
        match done.result:
            case Decided(decision, proof):
                self._apply(decision, proof)
            case HaltRead(epoch, digests):
                for event in plan.halt(self.record, epoch, digests):
                    self._attempt.play(event)
            case Sighting() as sighting:
                self._hello(sighting)
            case Sampled(samples):
                self._outbox.add(samples, self._clock.monotonic())
                self._correct_hello(samples)
            case Aged(olds):
                for old in olds:
                    self._notice(EventKind.NOTICE, old.kind, old.message)
            case Pulled(bundle, lease):
                self._bundle(bundle)
                if lease is not None:
                    self._attempt.lease_arrived(lease)
            case Prepared() | Confirmed():
                self._handover.done(done.result)
            case aftermath.Finished():
                self._aftermath.done(done.result)
            case bytes() as bundle if done.name == "apply":
                self._bundle(bundle)
            case bytes() as response:
                self.link.publish("response", response)
            case result:
                self._attempt.done(result)

    def _failed(self, done: Done, error: SurefootError | OSError) -> None:
        log.warning("work_failed name=%s error=%s %s", done.name, error, self._about())
        if done.token:
            self._attempt.failed(done.name, error)
        elif done.name in ("decide", "halt") and isinstance(error, SurefootError):
            self._decided_raw = b""
            self._timers.sooner("hello", ANSWER_S * (0.5 + self._rand()))  # its answer brings what was missing
            self._notice(*report.refusal(error))
        elif done.name == "apply" and isinstance(error, SurefootError):
            self._notice(EventKind.NOTICE, error.kind, error.message)

    def _due(self, name: str) -> None:
        match name:
            case "keep":
                self._timers.set("keep", KEEP_S)
                self._keep()
            case "settle":
                self._settle()
            case "sample":
                self._timers.set("sample", self._rules.telemetry_interval_s)
                desk = self._desk
                self._bench.submit("sample", Lane.LOOK, lambda: Sampled(tuple(desk.sample())))
            case "hello":
                self._say_hello()
            case "pull":
                self._pull()
            case "age":
                self._timers.set("age", AGE_S)
                trust, now = self._trust, self._clock.utc()
                self._bench.submit("age", Lane.TRUST, lambda: Aged(tuple(trust.grown_old(now))))
            case name if name in handover.TIMERS:
                self._handover.due(name)
            case aftermath.TIMER:
                self._aftermath.due()

    def _keep(self) -> None:
        """Once a second: the application lives, the post goes out, a wish that waited for idle is taken."""
        if self.record.state not in HANDS_OFF:
            self._bench.submit("tend", Lane.APP, self._hands.application.tend)
            if not self._timers.waits("settle"):
                self._timers.set("settle", SETTLE_S)
        self._outbox.tick(self._clock.monotonic())
        if plan.wanted(self.record, self._decision):
            self._take_next()

    def _pull_later(self) -> None:
        """Ask over HTTPS for as long as the broker stays away; jittered, for a broker that fails leaves them all."""
        if self._desk.puller is not None and not self._timers.waits("pull"):
            self._timers.set("pull", self._rules.https_interval_s * (0.5 + self._rand()))

    def _pull(self) -> None:
        puller = self._desk.puller
        if puller is not None:
            request = puller.request()  # numbered by the journal, which belongs to this thread
            self._bench.submit("pull", Lane.LOOK, lambda: puller.send(request))
        self._pull_later()

    def _settle(self) -> None:
        hands = self._hands
        if self.record.state not in HANDS_OFF:
            self._bench.submit("settle", Lane.APP, lambda: sight.ensure_running(hands))

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def _bundle(self, raw: bytes) -> None:
        """Verify a bundle; the very bytes that were verified before (retained copies) are only planned again."""
        self._answered()
        if raw == self._decided_raw and self._decision is not None:
            self._take_next()
            return
        self._decided_raw = raw
        hands, trust = self._hands, self._trust
        self._bench.submit("decide", Lane.TRUST, lambda: Decided(trust.decide(raw), sight.settled(hands)))

    def _went_idle(self) -> None:
        """The attempt ended: whatever it left, the application of the current slot runs, and the next wish begins."""
        self._settle()
        self._take_next()

    def _take_next(self) -> None:
        decision, hands = self._decision, self._hands
        if decision is not None:
            self._bench.submit("settled", Lane.LOOK, lambda: Decided(decision, sight.settled(hands)))

    def _apply(self, decision: Decision, proof: RunningProof | None) -> None:
        if self._decision is not None and decision.director_version < self._decision.director_version:
            return
        self._decision = decision
        if not self._journal.readable:
            return  # nothing that is remembered may be relied on, so nothing new is begun
        for event in plan.plan(self.record, decision, proof):
            self._attempt.play(event)

    def _raise_floors(self) -> None:
        hands, trust = self._hands, self._trust
        self._bench.submit("floors", Lane.TRUST, lambda: sight.raise_floors(hands, trust))
        self._aftermath.due()

    # --- what is said -------------------------------------------------------------------------------------------------

    def _say_hello(self) -> None:
        self._timers.set("hello", self._rules.heartbeat_interval_s)
        self._bench.submit("hello", Lane.TRUST, self._desk.look_around)

    def _hello(self, seen: Sighting) -> None:
        self._sighting = seen
        if self.link.publish("hello", self._desk.hello(self.record, seen)):
            self._timers.sooner("hello", ANSWER_S * 2.0 ** min(self._unanswered, 10) * (0.5 + self._rand()))
            self._unanswered += 1
            self._outbox.connected(self._clock.monotonic())

    def _correct_hello(self, samples: tuple[Sample, ...]) -> None:
        """What runs is not what the last hello said (the application came up, or died): say it again."""
        said = self._sighting.proof.digest if self._sighting and self._sighting.proof else None
        runs = next((sample.digest for sample in samples if sample.digest is not None), None)
        if self._sighting is not None and self.record.state is AttemptState.IDLE and runs != said:
            self._timers.sooner("hello", 0.0)

    def _answered(self) -> None:
        """The server heard the hello: the next one is the heartbeat, which no later answer puts off again."""
        if self._unanswered == 0:
            return
        self._unanswered = 0
        self._timers.set("hello", self._rules.heartbeat_interval_s * (0.9 + 0.2 * self._rand()))

    def _hinted(self, hint: TrustHint) -> None:
        known = self._sighting.image.timestamp if self._sighting else 0
        if hint.halt_epoch > self.record.halt_epoch or hint.image_timestamp > known:
            self._timers.sooner("hello", HINT_S * self._rand())

    def _notice(self, kind: EventKind, reason: str, message: str) -> None:
        """Tell the server, once per process for each thing."""
        key = (reason, message)
        if key in self._noticed or len(self._noticed) >= NOTICES:
            return
        self._noticed.add(key)
        log.warning("notice kind=%s reason=%s message=%s %s", kind.value, reason, message, self._about())
        self._journal.note((report.notice(self._desk.stamp(), self.record, kind, reason, message),))
        self._flush()

    def _flush(self) -> None:
        self._outbox.flush(self._clock.monotonic())

    def _ordered(self, order: Order) -> None:
        """Carry out what a person or the application asks on the local socket."""
        facts: dict[str, wire.Json] = {}
        try:
            match order.verb:
                case Verb.COMMIT:
                    self._attempt.commit_now()
                case Verb.REVERT:
                    self._attempt.revert_now("A person ordered it on the device.")
                case Verb.LOCK | Verb.UNLOCK | Verb.DEFER | Verb.READY:
                    facts = self._contract.take(order)
                case Verb.APPLY:
                    self._attempt.use_medium(local.source_of(Path(order.release)))
                    self._bench.submit("apply", Lane.LOOK, lambda: read_bundle(Path(order.file)))
                case Verb.STATUS:
                    pass
        except SurefootError as error:
            order.refuse(error)
        else:
            status = wire.to_json(self._desk.status(self.record))
            order.accept({**facts, "status": status})

    def _is_idle(self) -> bool:
        return self.record.state is AttemptState.IDLE

    def _about(self) -> str:
        return about(self.record)
