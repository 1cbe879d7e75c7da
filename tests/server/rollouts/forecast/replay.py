"""The same course, played the slow way: the engine looks at every member at every event, and decides everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from heapq import heappop, heappush

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.facts import Facts, MemberFact, PhaseFact
from surefoot_server.rollouts.forecast.course import OF_PHASES, OUTCOMES, REFUSED_AFTER
from surefoot_server.rollouts.forecast.draws import NEVER, SECOND, Draws, Fate
from surefoot_server.rollouts.forecast.hours import Hours
from surefoot_server.rollouts.forecast.people import People
from surefoot_shared.status import AttemptState, PhaseState, RolloutState
from tests.server.rollouts.world import START, World

AT_IT = (AttemptState.OFFERED, AttemptState.DOWNLOADING, AttemptState.STAGED)


class Replay(World):
    """Devices follow their draws; everything else is `engine.decide` on the whole fleet."""

    def __init__(self, text: str, people: People, draws: Draws, approval_s: float) -> None:
        super().__init__(text, 0, 0)
        self.draws, self.people, self.approval = draws, people, timedelta(seconds=approval_s)
        bounds = [sum(people.sizes[:i]) for i in range(len(people.sizes) + 1)]
        self.homes = [next(i for i in range(len(people.sizes)) if n < bounds[i + 1]) for n in range(people.total)]
        members = tuple(self.made(n) for n in range(people.total))
        self.facts = Facts(RolloutState.RUNNING, 0, tuple(PhaseFact(PhaseState.PENDING) for _ in people.sizes), members)
        limits = self.policy.limits
        self.fetch = Hours(limits.download_window, (), people.zone_names, START)
        self.switch = Hours(limits.window, limits.freeze, people.zone_names, START)
        self.events: list[tuple[int, str, int]] = []
        self.switching: set[int] = set()
        self.noted: list[tuple[float, str, int | None]] = []
        self.peak = 0

    def made(self, n: int) -> MemberFact:
        site = self.people.site_names[self.people.site[n]]
        zone = self.people.zone_names[self.people.zone[n]]
        return MemberFact(str(n), "pi", self.homes[n], False, START, site=site, zone=zone)

    @property
    def t(self) -> int:
        return (self.now - START) // timedelta(microseconds=1)

    def play(self) -> None:
        self.settle()
        limits = self.policy.limits
        if limits.window is not None or limits.freeze:
            for hour in range(1, 24 * 8):  # hours open and close
                heappush(self.events, (hour * 3600 * SECOND, "nothing", 0))
        while self.events and self.goes_on():
            at, what, who = heappop(self.events)
            self.now = START + timedelta(microseconds=at)
            getattr(self, what)(who)
            self.settle()
        self.peak = max(self.peak, self.holding())

    def goes_on(self) -> bool:
        asked = self.rollout is RolloutState.HELD and self.phase(self.facts.phase) is PhaseState.AWAITING_APPROVAL
        return self.rollout is RolloutState.RUNNING or asked

    def settle(self) -> None:
        """Devices tell their progress, and the engine is asked, until it has nothing to say."""
        self.hear()
        for member in self.facts.members:
            attempt = member.attempt
            if attempt is not None and attempt.outcome is None and not attempt.past_the_switch:
                self.put(replace(member, attempt=replace(attempt, state_at=self.now)))
        before = len(self.log)
        while self.goes_on() and (decided := self.tick_once()):
            for decision in decided:
                self.follow(decision)
        for decision in self.log[before:]:
            if type(decision) in OF_PHASES:
                self.noted.append((self.t / SECOND, type(decision).__name__, getattr(decision, "phase", None)))
        self.peak = max(self.peak, self.holding())

    def tick_once(self) -> list[d.Decision]:
        from surefoot_server.rollouts.engine import decide

        decided = decide(self.policy, self.facts, self.now)
        for decision in decided:
            self._apply(decision)
        self.log += decided
        return decided

    def follow(self, decision: d.Decision) -> None:
        match decision:
            case d.StartPhase(index):
                for n, home in enumerate(self.homes):
                    if home == index and self.draws.nap[n] == 0:
                        self.online(str(n))
                    elif home == index and self.draws.nap[n] != NEVER:
                        self.push(self.draws.nap[n], "wakes", n)
                self.push(round(self.policy.gate.max_wait_s * SECOND), "nothing", 0)
            case d.BeginBake(index):
                self.push(round(self.policy.phases[index].bake_s * SECOND), "nothing", 0)
            case d.AskApproval():
                self.push(round(self.approval.total_seconds() * SECOND), "says_yes", 0)
            case d.Offer(device):
                self.begins(int(device))
            case d.Activate(device):
                self.may_switch(int(device))
                self.push(round(self.policy.gate.max_wait_s * SECOND), "nothing", 0)
            case d.Lose():
                self.renew()

    def renew(self) -> None:
        """As the service does where devices switch by order: an attempt that ended renews the phase's wait."""
        index = self.facts.phase
        if self.policy.orders_switch and index < len(self.facts.phases):
            self._set_phase(index, replace(self.facts.phases[index], waiting_since=self.now))
            self.push(round(self.policy.gate.max_wait_s * SECOND), "nothing", 0)

    def push(self, after: int, what: str, who: int) -> None:
        heappush(self.events, (self.t + after, what, who))

    # --- the fleet

    def wakes(self, n: int) -> None:
        self.online(str(n))

    def nothing(self, _n: int) -> None:
        """Time passed, and the engine is asked."""

    def says_yes(self, _n: int) -> None:
        if self.rollout is RolloutState.HELD:
            self.approve()

    def begins(self, n: int) -> None:
        fate = self.draws.fate[n]
        self.state(str(n), AttemptState.DOWNLOADING)
        if fate == Fate.REFUSES:
            self.push(REFUSED_AFTER, "ends", n)
            return
        done = self.fetch.after(self.people.zone[n], self.t, self.draws.download[n])
        heappush(self.events, (done, "ends" if fate == Fate.FAILS else "stages", n))

    def stages(self, n: int) -> None:
        self.state(str(n), AttemptState.STAGED)
        attempt = self.member(str(n)).attempt
        assert attempt is not None
        if attempt.activate:
            self.may_switch(n)

    def may_switch(self, n: int) -> None:
        heappush(self.events, (self.switch.opens(self.people.zone[n], self.t), "switches", n))

    def switches(self, n: int) -> None:
        self.state(str(n), AttemptState.PROBATION)
        if self.draws.fate[n] == Fate.IS_LOST:
            self.offline(str(n))
            self.push(round(self.policy.timeouts.lost_after_s * SECOND), "nothing", 0)
        else:
            self.push(self.draws.probation[n], "ends", n)

    def ends(self, n: int) -> None:
        self.end(OUTCOMES[self.draws.fate[n]], str(n))
        self.renew()

    def holding(self) -> int:
        """Devices that run the release, or might."""
        found = 0
        for member in self.facts.members:
            attempt = member.attempt
            if attempt is not None and (attempt.past_the_switch or attempt.outcome in (OUTCOMES[3], OUTCOMES[4])):
                found += attempt.outcome is None or attempt.outcome in (OUTCOMES[3], OUTCOMES[4])
        return found
