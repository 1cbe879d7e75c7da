"""One rollout played in virtual time, from event to event, with the server's engine deciding every phase.

Promises: phases begin, bake, pass, are held and fail by `engine.decide` alone, at the moment at which it would; what is
done here, because there may be a million devices, is only the engine's queue of offers and switches, and a cheap look
whether it is worth asking. A test replays fleets with the engine asked at every event and gets the same decisions.
Assumed: devices stay connected while they are at work, and tell their progress; nobody intervenes but to approve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from heapq import heapify, heappop, heappush

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.engine import decide
from surefoot_server.rollouts.facts import AttemptFact, MemberFact
from surefoot_server.rollouts.forecast.draws import NEVER, SECOND, Draws, Fate
from surefoot_server.rollouts.forecast.floor import Floor
from surefoot_server.rollouts.forecast.hours import Hours
from surefoot_server.rollouts.forecast.people import People
from surefoot_server.rollouts.forecast.standing import EVENTS, Noted, Standing
from surefoot_server.rollouts.judge import Counts, Look, judge, reachable, reports_needed
from surefoot_server.rollouts.judge.bounds import TRIPWIRE_UP_TO
from surefoot_server.rollouts.judge.schedule import look_due
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.strategy import Strategy
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_server.rollouts.triggers import Do, Signals, pull
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, Verdict

REFUSED_AFTER = 10 * SECOND
"""A device looks at hardware, room and signatures before it fetches anything."""
LONGEST = 2 * 365 * 86400 * SECOND
OUTCOMES = (Outcome.REFUSED, Outcome.FAILED, Outcome.REVERTED, Outcome.LOST, Outcome.COMMITTED)
"""In the order of `Fate`."""
ACTS = {Do.HOLD: RolloutEvent.HOLD, Do.HALT: RolloutEvent.HALT, Do.REVERT: RolloutEvent.REVERT}
OF_PHASES = frozenset({*EVENTS, d.TakeLook, d.SwitchTogether, d.Finish})
"""Decisions about the rollout and its phases: those about single devices are made here, in the engine's order."""
Looking = Callable[[int, Sequence[int], int], Look]
"""number of the look, members that committed, first member of a later phase → the readings"""


class Step(IntEnum):
    """How far an open attempt is."""

    FETCHING = 0
    STAGED = 1
    """And waits for the order to switch."""
    ORDERED = 2
    """It may switch, and perhaps waits for its window."""
    SWITCHED = 3


FACED = (AttemptState.DOWNLOADING, AttemptState.STAGED, AttemptState.STAGED, AttemptState.PROBATION)


class Kind(IntEnum):
    """What happens at a moment; of two at the same moment the lower comes first."""

    ENDED = 0
    SWITCHED = 1
    STAGED = 2
    AWAKE = 3
    REOPENED = 4
    APPROVED = 5
    DUE = 6
    """Something of the phase is due: a look, the end of its bake, of its wait, or of its patience."""


ENDED = int(Kind.ENDED)


@dataclass(frozen=True, slots=True)
class Played:
    """How one course ended. `peak`: the most devices that ran the release, or might, at any moment until then."""

    state: RolloutState
    seconds: float
    peak: int
    offered: int
    outcomes: dict[Outcome, int]
    phase: int
    reason: str
    noted: tuple[Noted, ...]
    events: int
    """How many were played: what a course costs."""


class Course:
    """`begin` is when the first phase begins. One course is played once."""

    def __init__(
        self, policy: Policy, people: People, draws: Draws, start: datetime, approval_s: float, looking: Looking
    ) -> None:
        self._policy, self._people, self._draws, self._looking = policy, people, draws, looking
        self._approval = round(approval_s * SECOND)
        self._rollout = Standing(policy, people.sizes, start)
        self._floor = Floor(policy, people)
        limits, zones = policy.limits, people.zone_names
        self._fetch = Hours(limits.download_window, (), zones, start)
        self._switch = Hours(limits.window, limits.freeze, zones, start)
        self._offers = Hours(None, limits.freeze, zones, start)
        self._zone: list[int] = people.zone.tolist()
        self._site: list[int] = people.site.tolist()
        self._bounds = [sum(people.sizes[:i]) for i in range(len(people.sizes) + 1)]
        self._together = policy.strategy is Strategy.BLUE_GREEN
        self._then = Kind.SWITCHED if self._switch.always and not policy.orders_switch else Kind.STAGED
        self._lost_after = round(policy.timeouts.lost_after_s * SECOND)
        self._events: list[tuple[int, int, int]] = []
        self._ready: list[int] = []
        self._frozen = 0
        self._open: dict[int, Step] = {}
        self._offered_in: dict[int, int] = {}
        self._staged = 0
        """Open ones that wait to switch together."""
        self._at_work = self._holding = self._peak = self._given = 0
        self._committed: list[int] = []
        self._wait_ends = 0
        self._going, self._offering, self._may_end = True, False, False

    def play(self) -> Played:
        """Play until the rollout ends, or waits for a person to decide."""
        happens = (
            self._ended,
            self._switched,
            self._has_staged,
            self._awake,
            self._reopened,
            self._approved,
            self._due,
        )
        rollout = self._rollout
        self._ask()
        events, floor, played = self._events, self._floor.used, 0
        while events and self._going and rollout.now < LONGEST:
            rollout.now, kind, who = heappop(events)
            played += 1
            happens[kind](who)
            if self._offering:
                if self._ready:
                    self._offer()
                if floor:
                    self._send_to_switch()
                self._ask_if_worth_it()
        return Played(
            state=rollout.state,
            seconds=rollout.now / SECOND,
            peak=self._peak,
            offered=self._given,
            outcomes=dict(rollout.outcomes),
            phase=min(rollout.phase, len(rollout.phases) - 1),
            reason=rollout.reason,
            noted=tuple(rollout.noted),
            events=played,
        )

    def _see(self) -> bool:
        """Keep what the loop asks at every event; whether the rollout goes on."""
        rollout = self._rollout
        self._going = rollout.state is RolloutState.RUNNING or rollout.asks_people
        self._offering = rollout.offering
        self._may_end = self._offering and rollout.current is PhaseState.OFFERING
        return self._going

    def _push(self, at: int, kind: Kind, who: int = 0) -> None:
        heappush(self._events, (at, int(kind), who))

    # --- what happens ---------------------------------------------------------------------------------------------

    def _awake(self, who: int) -> None:
        heappush(self._ready, who)

    def _reopened(self, who: int) -> None:
        """The hours in which it may not begin, or not switch, are over."""
        if who in self._open:
            self._floor.wait(who)
        else:
            self._frozen -= 1
            heappush(self._ready, who)

    def _has_staged(self, who: int) -> None:
        if self._together and self._rollout.phases[self._offered_in[who]].activated_at is None:
            self._open[who] = Step.STAGED
            self._staged += 1
            self._at_work -= 1
        elif self._floor.used:
            self._open[who] = Step.STAGED
            self._floor.wait(who)
        else:
            self._order(who)

    def _order(self, who: int) -> None:
        """It may switch, and does so in its window."""
        self._open[who] = Step.ORDERED
        self._push(self._switch.opens(self._zone[who], self._rollout.now), Kind.SWITCHED, who)

    def _switched(self, who: int) -> None:
        self._open[who] = Step.SWITCHED
        self._holding += 1
        if self._holding > self._peak:
            self._peak = self._holding
        after = self._lost_after if self._draws.fate[who] == Fate.IS_LOST else self._draws.probation[who]
        heappush(self._events, (self._rollout.now + after, ENDED, who))

    def _ended(self, who: int) -> None:
        outcome, step = OUTCOMES[self._draws.fate[who]], self._open.pop(who)
        self._rollout.end(self._offered_in.pop(who), outcome)
        if outcome is Outcome.COMMITTED:
            self._committed.append(who)
        if outcome is Outcome.REVERTED:
            self._holding -= 1
        if outcome is not Outcome.LOST:  # a lost one keeps consuming every budget
            self._at_work -= 1
            if step is Step.SWITCHED:
                self._floor.leave(who)
        if self._policy.orders_switch:
            self._rollout.wait_anew()
        if outcome is not Outcome.COMMITTED and self._may_fail():
            self._ask()

    def _approved(self, _who: int) -> None:
        if self._rollout.asks_people:
            self._rollout.change(approved=True)
            self._rollout.act(RolloutEvent.APPROVE)
            self._ask()

    def _due(self, index: int) -> None:
        rollout = self._rollout
        if index != rollout.phase or not rollout.offering:
            return
        self._ask()
        if index == rollout.phase and rollout.offering:
            self._wait()
            self._lose_patience()

    def _lose_patience(self) -> None:
        """The policy's own deadline of a phase: `triggers.not_passed`."""
        rollout, began = self._rollout, self._rollout.phases[self._rollout.phase].began_at
        waited_s = 0.0 if began is None else (rollout.at - began).total_seconds()
        name = self._policy.phases[rollout.phase].name
        trip = pull(self._policy.triggers, Signals(phase_name=name, phase_began_at=began, waited_s=waited_s))
        if trip is not None:
            rollout.reason = trip.reason
            rollout.act(ACTS[trip.do])
            self._see()

    # --- the queues -----------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        """Offer to whoever is connected and whose turn it is, within the budget, as `engine._offers` does."""
        now = self._rollout.now
        while self._ready and self._at_work < self._policy.max_concurrent:
            who = heappop(self._ready)
            opens = self._offers.opens(self._zone[who], now)
            if opens > now:
                self._frozen += 1
                self._push(opens, Kind.REOPENED, who)
            else:
                self._begin(who, now)

    def _begin(self, who: int, now: int) -> None:
        self._open[who], self._offered_in[who] = Step.FETCHING, self._rollout.phase
        self._at_work += 1
        self._given += 1
        fate = self._draws.fate[who]
        if fate == Fate.REFUSES:
            self._push(now + REFUSED_AFTER, Kind.ENDED, who)
            return
        fetched = self._fetch.after(self._zone[who], now, self._draws.download[who])
        self._push(fetched, Kind.ENDED if fate == Fate.FAILS else self._then, who)

    def _send_to_switch(self) -> None:
        """Order whoever staged it to switch, as far as there is room and it is their hour."""
        if self._floor.used:
            for who in self._floor.next_ones(self._closed):
                self._order(who)
                self._rollout.wait_anew()

    def _closed(self, who: int) -> bool:
        opens = self._switch.opens(self._zone[who], self._rollout.now)
        if opens > self._rollout.now:
            self._push(opens, Kind.REOPENED, who)
        return opens > self._rollout.now

    # --- asking the engine ----------------------------------------------------------------------------------------

    def _ask_if_worth_it(self) -> None:
        """The engine knows whether a phase is at its end; this only spares it the question."""
        rollout = self._rollout
        if self._may_end:
            done = not (self._open or self._ready or self._frozen)
            together = self._staged and self._staged == len(self._open)
            if done or together or rollout.now >= rollout.wait_ends:
                self._ask()
        elif rollout.now >= rollout.bake_ends:
            counts, gate = self._counts(rollout.phase), self._policy.gate
            least = self._policy.phases[rollout.phase].min_devices
            if counts.reported >= reports_needed(gate, least, counts) or not reachable(gate, least, counts):
                self._ask()

    def _may_fail(self) -> bool:
        """Whether the judge fails the phase now; asked where the plain rate is above a limit, or few are due."""
        index, gate = self._rollout.phase - self._rollout.asks_people, self._policy.gate
        if not 0 <= index < len(self._policy.phases):
            return False
        counts = self._counts(index)
        worth_it = counts.due <= TRIPWIRE_UP_TO or any(
            o.fail_if_surely_above is not None
            and counts.of(Outcome(o.metric.value)) > o.fail_if_surely_above * counts.due
            for o in gate.objectives
        )
        return worth_it and judge(gate, self._policy.phases[index].min_devices, counts).verdict is Verdict.FAIL

    def _counts(self, index: int) -> Counts:
        return self._rollout.counts(index, len(self._open))

    def _ask(self) -> None:
        """Ask and apply until nothing is left to decide about the rollout and its phases."""
        rollout = self._rollout
        while self._see():
            members = [self._member(who, step) for who, step in self._open.items()]
            decided = decide(self._policy, rollout.facts(members, self._look()), rollout.at)
            decided = [decision for decision in decided if type(decision) in OF_PHASES]
            for decision in decided:
                rollout.apply(decision)
                self._follow(decision)
            if not decided:
                return

    def _member(self, who: int, step: Step) -> MemberFact:
        now, people = self._rollout.at, self._people
        home = next(i for i, end in enumerate(self._bounds[1:]) if who < end)
        attempt = AttemptFact(FACED[step], now, now, self._offered_in[who], activate=step > Step.STAGED)
        site, zone = people.site_names[self._site[who]], people.zone_names[self._zone[who]]
        return MemberFact(str(who), "", home, True, now, attempt, site=site, zone=zone)

    def _look(self) -> Look | None:
        rollout, gate = self._rollout, self._policy.gate
        if not gate.metrics or rollout.current is not PhaseState.BAKING:
            return None
        baked_s = (rollout.now - rollout.baking_since) / SECOND
        taken, bake_s = rollout.phases[rollout.phase].looks, self._policy.phases[rollout.phase].bake_s
        number = look_due(gate.looks, taken, baked_s, bake_s)
        later = self._bounds[rollout.phase + 1]
        return None if number is None else self._looking(number, self._committed, later)

    def _follow(self, decision: d.Decision) -> None:
        match decision:
            case d.AskApproval():
                self._push(self._rollout.now + self._approval, Kind.APPROVED)
            case d.StartPhase(index):
                self._wake(index)
                self._wait()
                self._offer()
            case d.BeginBake(index):
                bake_s, looks = self._policy.phases[index].bake_s, self._policy.gate.looks
                self._remind(bake_s)
                for number in range(1, looks if self._policy.gate.metrics else 1):
                    self._remind(bake_s * number / looks + 1e-6)
            case d.SwitchTogether():
                for who in [who for who, step in self._open.items() if step is Step.STAGED]:
                    self._order(who)
                self._at_work += self._staged
                self._staged = 0

    def _wake(self, index: int) -> None:
        """A phase begins: whoever of it is connected has its turn, others when they come."""
        self._committed = []
        for who in range(self._bounds[index], self._bounds[index + 1]):
            nap = self._draws.nap[who]
            if nap == 0:
                self._ready.append(who)
            elif nap != NEVER:
                self._push(self._rollout.now + nap, Kind.AWAKE, who)
        heapify(self._ready)
        if self._policy.triggers.not_passed is not None:
            self._remind(self._policy.triggers.not_passed.within_s)

    def _wait(self) -> None:
        """Be reminded when the phase has waited as long as it may."""
        ends = self._rollout.wait_ends
        if ends > self._rollout.now and ends != self._wait_ends:
            self._wait_ends = ends
            self._push(ends, Kind.DUE, self._rollout.phase)

    def _remind(self, after_s: float) -> None:
        self._push(self._rollout.now + round(after_s * SECOND), Kind.DUE, self._rollout.phase)
