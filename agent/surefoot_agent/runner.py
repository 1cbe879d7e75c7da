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
from collections.abc import Callable, Mapping, Sequence

from surefoot_agent import doubts, downlink, handover, report, sight
from surefoot_agent.bench import Bench, Done
from surefoot_agent.component import Component, Of
from surefoot_agent.counter import Counter
from surefoot_agent.desk import Desk, Sighting
from surefoot_agent.doubts import Doubt, Doubts
from surefoot_agent.handover import Handover
from surefoot_agent.lanes import Lane, Lanes
from surefoot_agent.orders import Order
from surefoot_agent.ports import Decision
from surefoot_agent.post import Post, Publisher
from surefoot_agent.pull import Pulled
from surefoot_agent.record import Record, about
from surefoot_agent.renew import Confirmed, Prepared
from surefoot_agent.results import Aged, Carried, Decided, HaltRead, Sampled
from surefoot_agent.sets import Sets
from surefoot_agent.status import Status
from surefoot_agent.storage import Storage
from surefoot_agent.timers import Timers
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import EventKind, Lease, RunningProof, Sample, TrustHint
from surefoot_shared.status import AttemptState

log = logging.getLogger(__name__)

KEEP_S = 1.0
"""How often a dead application is noticed while nothing is on trial."""
ANSWER_S = 30.0
"""A hello that no bundle answers is said again after about this time, then after twice as long, and so on."""
AGE_S = 3600.0
"""How often it is looked whether what is trusted has grown old; days are counted."""
HINT_S = 5.0
"""Spread of the hellos after a hint that reached the whole fleet at once."""
NOTICES = 64
"""Different notices told per process: a hostile server must not fill the outbox with refusals."""

Item = downlink.LinkEvent | Order | Done | Of


class Runner:
    """The components of one device: `start`, then `run` (threads), or `tick` and `drain` (none)."""

    def __init__(
        self,
        desk: Desk,
        lanes: Lanes,
        link: Callable[[Callable[[Item], None]], Publisher],
        rand: Callable[[], float] = random.random,
        beside: Sequence[Desk] = (),
    ) -> None:
        """`link` is given the function to which it must hand its events, from any thread.

        `beside` are the desks of the device's other components; what is the device's is the same on each.
        """
        self._desk, self._rules, self._trust = desk, desk.rules, desk.trust
        self._journal, self._clock, self._rand = desk.journal, desk.hands.clock, rand
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._bench, self._timers = Bench(lanes, self.post), Timers(self._clock.monotonic)
        self.link = link(self.post)
        self._outbox = Post(self._rules.device, self._journal, self.link, desk.seal, self._rules.telemetry_keep)
        self._desks = (desk, *beside)
        self._components = {each.rules.component: self._component(each, lanes) for each in self._desks}
        self._first = next(iter(self._components.values()))
        hands = {each.rules.component: each.hands for each in self._desks}
        for component in self._components.values():
            component.attempt.fellows = hands
        self._sets = Sets(self._components)
        self._counter = Counter(self._components, self._bench)
        self._decision: Decision | None = None
        self._decided_raw = b""
        self._noticed: set[tuple[str, str]] = set()
        self._doubts, self._storage = Doubts(), Storage(self._journal, self._clock.monotonic)
        self._sighting: Sighting | None = None
        self._unanswered = 0
        self._handover = Handover(desk.renewal, self._bench, self._timers, self._is_idle, rand)

    def _component(self, desk: Desk, lanes: Lanes) -> Component:
        def raise_floors() -> None:
            hands, trust = desk.hands, desk.trust
            self._bench.submit("floors", Lane.TRUST, lambda: sight.raise_floors(hands, trust))

        return Component(desk, lanes.of(desk.rules.component), self.post, self._rand, self._flush, raise_floors)

    @property
    def record(self) -> Record:
        """That of the first component, which most devices have alone."""
        return self._first.record

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(component.record for component in self._components.values())

    def post(self, item: Item) -> None:
        """Queue something that happened; from any thread."""
        self._queue.put(item)

    def start(self) -> None:
        """Look at what happened while we were off, and go on from there."""
        self._handover.start()
        self._timers.set("keep", KEEP_S)
        self._timers.set("sample", self._rules.telemetry_interval_s * self._rand())
        self._timers.set("age", AGE_S * self._rand())
        if concern := self._storage.concern():
            self._notice(EventKind.NOTICE, *concern)
        for component in self._components.values():
            component.start(self._journal)
        self._sets.look()

    def run(self, stop: threading.Event) -> None:
        """Loop until `stop` is set; then keep what must not be lost."""
        try:
            while not stop.is_set() and not self._storage.is_back():
                wait_s = self.tick()
                try:
                    self.handle(self._queue.get(timeout=min(wait_s, KEEP_S)))
                except queue.Empty:
                    continue
        finally:
            for component in self._components.values():
                component.stop()
            self._bench.stop()
            self._outbox.persist()

    def drain(self) -> None:
        """Handle all that is queued, and what follows from it."""
        while not self._queue.empty():
            self.handle(self._queue.get())

    def tick(self) -> float:
        """Do what is due; return the seconds until something will be."""
        while (name := self._timers.take_due()) is not None:
            self._due(name)
        waits_s = [component.tick() for component in self._components.values()]
        self._sets.look()
        return min(self._timers.wait_s(), *waits_s)

    def handle(self, item: Item) -> None:
        """Take one thing that happened, and what follows from it for sets of components."""
        self._take(item)
        self._sets.look()

    def _take(self, item: Item) -> None:
        match item:
            case Done():
                self._done(item)
            case Of(component, what):
                self._components[component].take(what)
            case Order():
                self._counter.take(item)
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
                self._bench.submit("halt", Lane.TRUST, lambda: doubts.read_halt(trust, raw))
            case downlink.AckArrived(ack):
                if self._outbox.acknowledged(ack):  # the next hello names the new stream
                    self._timers.sooner("hello", ANSWER_S * self._rand())
            case downlink.LeaseArrived(lease):
                self._leased(lease)
            case downlink.RequestArrived(request):
                desk, statuses, others = self._desk, self._statuses(), self._desks[1:]
                self._bench.submit("request", Lane.LOOK, lambda: desk.answer(request, statuses, others))
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
            case Decided(decision, proofs):
                self._apply(decision, proofs)
                self._prove(decision.director.root)
            case Doubt() as doubt:
                self._doubted(doubt)
            case HaltRead(epoch, digests, root):
                for component in self._components.values():
                    component.halted(epoch, digests, root)
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
                    self._leased(lease)
            case Prepared() | Confirmed():
                self._handover.done(done.result)
            case Carried() as carried:
                self._carried(carried)
            case bytes() as response:
                self.link.publish("response", response)

    def _failed(self, done: Done, error: SurefootError | OSError) -> None:
        log.warning("work_failed name=%s error=%s", done.name, error)
        if done.name in ("decide", "halt") and isinstance(error, SurefootError):
            self._ask_anew()
            self._notice(*report.refusal(error))
        elif done.name == "apply" and isinstance(error, SurefootError):
            self._notice(EventKind.NOTICE, error.kind, error.message)

    def _ask_anew(self) -> None:
        """The answer to a hello brings what was missing."""
        self._decided_raw = b""
        self._timers.sooner("hello", ANSWER_S * (0.5 + self._rand()))

    def _doubted(self, doubt: Doubt) -> None:
        """A halt list that nobody known signed: by a stranger, or by a key that the next bundle's root names."""
        log.warning("halt_doubted root=%s error=%s", doubt.root, doubt.error)
        self._ask_anew()
        if not self._doubts.hold(doubt):
            self._notice(*report.refusal(doubt.error))
        elif not self._timers.waits("doubts"):
            self._timers.set("doubts", doubts.WAIT_S)

    def _prove(self, root: int) -> None:
        trust = self._trust
        for raw in self._doubts.provable(root):
            self._bench.submit("halt", Lane.TRUST, lambda raw=raw: HaltRead(*trust.halt(raw)))  # type: ignore[misc]

    def _due(self, name: str) -> None:
        match name:
            case "keep":
                self._timers.set("keep", KEEP_S)
                self._keep()
            case "sample":
                self._timers.set("sample", self._rules.telemetry_interval_s)
                desks = self._desks
                samples = lambda: Sampled(tuple(sample for desk in desks for sample in desk.sample()))  # noqa: E731
                self._bench.submit("sample", Lane.LOOK, samples)
            case "hello":
                self._say_hello()
            case "pull":
                self._pull()
            case "age":
                self._timers.set("age", AGE_S)
                trust, now = self._trust, self._clock.utc()
                self._bench.submit("age", Lane.TRUST, lambda: Aged(tuple(trust.grown_old(now))))
            case "doubts":
                for error in self._doubts.take_all():
                    self._notice(*report.refusal(error))
            case name if name in handover.TIMERS:
                self._handover.due(name)

    def _keep(self) -> None:
        """Once a second: each component is looked after, the post goes out."""
        for component in self._components.values():
            component.keep()
        self._outbox.tick(self._clock.monotonic())

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

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def _bundle(self, raw: bytes) -> None:
        """Verify a bundle; the very bytes that were verified before (retained copies) are only planned again."""
        self._answered()
        if raw == self._decided_raw and self._decision is not None:
            for component in self._components.values():
                component.take_next()
            return
        self._decided_raw = raw
        desks, trust = self._desks, self._trust
        self._bench.submit("decide", Lane.TRUST, lambda: Decided(trust.decide(raw), _proofs(desks)))

    def _carried(self, carried: Carried) -> None:
        """Verified even if it was before: whoever brought it waits for the answer."""
        self._decided_raw = carried.raw
        desks, trust = self._desks, self._trust
        self._bench.submit("decide", Lane.TRUST, lambda: Decided(carried.decide(trust), _proofs(desks)))

    def _apply(self, decision: Decision, proofs: Mapping[str, RunningProof | None]) -> None:
        if self._decision is not None and _age(decision) < _age(self._decision):
            return
        self._decision = decision
        if not self._journal.stores:
            return  # nothing that is remembered may be relied on, so nothing new is begun
        for name, component in self._components.items():
            component.decided(decision, proofs[name])

    def _leased(self, lease: Lease) -> None:
        for component in self._components.values():
            component.lease_arrived(lease)

    # --- what is said -------------------------------------------------------------------------------------------------

    def _say_hello(self) -> None:
        self._timers.set("hello", self._rules.heartbeat_interval_s)
        desk, others = self._desk, self._desks[1:]
        self._bench.submit("hello", Lane.TRUST, lambda: desk.look_around(others))

    def _hello(self, seen: Sighting) -> None:
        self._sighting = seen
        if self.link.publish("hello", self._desk.hello(self.records, seen)):
            self._timers.sooner("hello", ANSWER_S * 2.0 ** min(self._unanswered, 10) * (0.5 + self._rand()))
            self._unanswered += 1
            self._outbox.connected(self._clock.monotonic())

    def _correct_hello(self, samples: tuple[Sample, ...]) -> None:
        """What runs is not what the last hello said (an application came up, or died): say it again."""
        if self._sighting is None:
            return
        for name, component in self._components.items():
            said = self._sighting.digest(name)
            runs = next((s.digest for s in samples if s.component == name and s.digest is not None), None)
            if component.record.state is AttemptState.IDLE and runs != said:
                self._timers.sooner("hello", 0.0)

    def _answered(self) -> None:
        """The server heard the hello: the next one is the heartbeat, which no later answer puts off again."""
        if self._unanswered == 0:
            return
        self._unanswered = 0
        self._timers.set("hello", self._rules.heartbeat_interval_s * (0.9 + 0.2 * self._rand()))

    def _hinted(self, hint: TrustHint) -> None:
        self._desk.witness.told(hint.audit)
        known = self._sighting.image.timestamp if self._sighting else 0
        if hint.halt_epoch > min(record.halt_epoch for record in self.records) or hint.image_timestamp > known:
            self._timers.sooner("hello", HINT_S * self._rand())

    def _notice(self, kind: EventKind, reason: str, message: str) -> None:
        """Tell the server, once per process for each thing."""
        key = (reason, message)
        if key in self._noticed or len(self._noticed) >= NOTICES:
            return
        self._noticed.add(key)
        log.warning("notice kind=%s reason=%s message=%s %s", kind.value, reason, message, about(self.record))
        self._journal.note((report.notice(self._desk.stamp(), self.record, kind, reason, message),))
        self._flush()

    def _flush(self) -> None:
        self._outbox.flush(self._clock.monotonic())

    def _statuses(self) -> tuple[Status, ...]:
        return tuple(component.desk.status(component.record) for component in self._components.values())

    def _is_idle(self) -> bool:
        return all(record.state is AttemptState.IDLE for record in self.records)


def _age(decision: Decision) -> tuple[int, int]:
    """A newer root begins the versions anew: whoever stole the director's key may have used them up."""
    return decision.director.root, decision.director_version


def _proofs(desks: Sequence[Desk]) -> Mapping[str, RunningProof | None]:
    return {desk.rules.component: sight.settled(desk.hands) for desk in desks}
