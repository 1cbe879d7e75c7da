"""Random fleets, failures, outages, restarts and acts of people, under every strategy: what holds whatever happens.

No outage of ours makes a device lost; nobody gets a release after a stop; never more devices are unavailable than the
limits say, nor more tries of one device than the policy; no phase begins without the pass of the one before; counters
decide what everybody would; a decision that is replayed is the same decision.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts import tally
from surefoot_server.rollouts.engine import STOPPED, decide
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact, Others, Watch
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.retries import Failure
from surefoot_server.rollouts.table import ROLLOUT, RolloutEvent
from surefoot_server.rollouts.tally import Ended
from surefoot_shared.status import BEFORE_ARMED, AttemptState, Outcome, PhaseState, RolloutState, Verdict
from tests.server.rollouts.world import World

RETRY = "retry: {download: 2, switch: 1, backoff: 3m, longest: 20m}\n"
BACK = "revert: {phases: [{percent: 25, bake: 2m}, {percent: 100}], tripwire: 2}\n"
REASONS = ("artifact_corrupt", "busy", "no_verdict", "health_failed", "no_space")
GATE = "gate: {min_reported: 0.6, max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: %s}]}\n"
TIMES = "timeouts: {lost_after: 5m, asleep_after: 1m, step: 10m}\n"
PHASES = "phases: [{name: c, percent: 25, bake: 60s}, {name: r, percent: 100, bake: 60s%s}]\n"
LIMITS = (
    "limits: {max_concurrent: 3}",
    "limits: {max_concurrent: 9, max_unavailable: 2}",
    "limits: {max_concurrent: 9, per_site_unavailable: 1}",
    "rollout: {strategy: rolling}\nlimits: {max_unavailable: 2}",
    "rollout: {strategy: blue-green}",
)
SWITCHING = (AttemptState.ARMED, AttemptState.SWITCHING, AttemptState.PROBATION)
ENDS = (Outcome.COMMITTED, Outcome.COMMITTED, Outcome.COMMITTED, Outcome.REVERTED, Outcome.FAILED, Outcome.REFUSED)


class RolloutMachine(RuleBasedStateMachine):
    @initialize(
        limits=st.sampled_from(LIMITS),
        bound=st.sampled_from(["20%", "90%"]),
        asked=st.booleans(),
        keep=st.booleans(),
        seed=st.integers(0, 2**32),
    )
    def begin(self, limits: str, bound: str, asked: bool, keep: bool, seed: int) -> None:
        approval = ", approval: {by: releaser}" if asked else ""
        text = (
            PHASES % approval
            + GATE % bound
            + TIMES
            + (RETRY if seed % 2 else "")
            + (BACK if seed % 3 == 0 and "blue" not in limits else "")
            + limits
            + "\n"
        )
        self.world = World(text + ("on_fail: {committed_devices: keep}\n" if keep else ""))
        self.chance = random.Random(seed)
        self.passed: set[int] = set()
        self.quiet: dict[str, float] = {}
        self.not_before: dict[str, datetime] = {}
        self.tick(0)

    # --- what happens

    @rule(seconds=st.sampled_from([0, 5, 61, 301, 700, 3700]))
    def tick(self, seconds: float) -> None:
        before, was = len(self.world.log), self.world.rollout
        self.world.now += timedelta(seconds=seconds)
        self.world.hear()
        for member in self.world.facts.members:
            self.quiet[member.device] = 0.0 if member.online else self.quiet.get(member.device, 0.0) + seconds
        self.replayed()
        self.world.tick(0)
        self.check(was, self.world.log[before:])

    @rule(seconds=st.sampled_from([60, 4000, 90_000]))
    def our_outage(self, seconds: float) -> None:
        """The server is killed and started again; whoever is alive has reconnected by the first look, or not yet."""
        self.world.down(seconds)
        self.world.facts = copy.deepcopy(self.world.facts)
        self.tick(0)

    @rule(target_state=st.sampled_from(AttemptState))
    def progress(self, target_state: AttemptState) -> None:
        """A device goes on: only a told one switches, which is what the agent does."""
        found = [m for m in self.world.facts.members if m.online and m.attempt and m.attempt.outcome is None]
        if not found or target_state not in (*BEFORE_ARMED, *SWITCHING):
            return
        member = self.chance.choice(found)
        assert member.attempt is not None
        if target_state in SWITCHING and not member.attempt.activate:
            target_state = AttemptState.STAGED
        if not member.attempt.past_the_switch or target_state in SWITCHING:
            self.world.state(member.device, target_state)

    @rule(count=st.integers(1, 4))
    def stage(self, count: int) -> None:
        for member in self.world.facts.members:
            attempt = member.attempt
            if count and member.online and attempt and attempt.outcome is None and attempt.state in BEFORE_ARMED:
                self.world.stage(member.device)
                count -= attempt.state is not AttemptState.STAGED

    @rule(outcome=st.sampled_from(ENDS))
    def end(self, outcome: Outcome) -> None:
        """A device reports its outcome; a lost one corrects what the server thought."""
        found = [
            m
            for m in self.world.facts.members
            if m.online and m.attempt and (m.attempt.outcome in (None, Outcome.LOST)) and m.attempt.activate
        ]
        if found:
            reason = None if outcome is Outcome.COMMITTED else self.chance.choice(REASONS)
            self.world.end(outcome, self.chance.choice(found).device, reason=reason)

    @rule()
    def goes_back(self) -> None:
        found = [m for m in self.world.facts.members if m.online and m.revert and m.revert.outcome is None]
        if found:
            member = self.chance.choice(found)
            if member.revert is not None and member.revert.activate:
                self.world.end_revert(member.device)
            else:
                assert member.revert is not None
                self.world.put(replace(member, revert=replace(member.revert, state=AttemptState.STAGED)))

    @rule(newer=st.booleans())
    def strays(self, newer: bool) -> None:
        """A device is reflashed, or updated from a medium."""
        found = [m for m in self.world.facts.members if m.attempt and m.attempt.outcome is Outcome.COMMITTED]
        if found and self.chance.random() < 0.3:
            self.world.stray(self.chance.choice(found).device, newer=newer)

    @rule(outcome=st.sampled_from([Outcome.FAILED, Outcome.REVERTED]))
    def cannot_go_back(self, outcome: Outcome) -> None:
        found = [m for m in self.world.facts.members if m.online and m.revert and m.revert.outcome is None]
        if found and self.chance.random() < 0.5:
            self.world.end_revert(self.chance.choice(found).device, outcome)

    @rule()
    def loses_its_way_back(self) -> None:
        """The server does not know what ran before, as of a device that came with an unknown image."""
        member = self.chance.choice(self.world.facts.members)
        self.world.put(replace(member, has_previous=self.chance.random() < 0.7))

    @precondition(lambda self: self.world.rollout is RolloutState.REVERTING and self.world.facts.back.held)
    @rule()
    def lets_it_go_back(self) -> None:
        self.world.go_on_back()

    @rule(awake=st.booleans())
    def flap(self, awake: bool) -> None:
        name = self.chance.choice(self.world.facts.members).device
        (self.world.online if awake else self.world.offline)(name)

    @rule(event=st.sampled_from([RolloutEvent.PAUSE, RolloutEvent.HALT, RolloutEvent.REVERT, RolloutEvent.CANCEL]))
    def act(self, event: RolloutEvent) -> None:
        if (self.world.rollout, event) in ROLLOUT and self.chance.random() < 0.3:
            self.world.act(event)

    @precondition(lambda self: (self.world.rollout, RolloutEvent.RESUME) in ROLLOUT)
    @rule()
    def resume(self) -> None:
        if self.world.rollout is not RolloutState.REVERTING:
            self.world.resume()

    @precondition(lambda self: self.waits_for_approval())
    @rule()
    def approve(self) -> None:
        self.world.approve()

    # --- what must hold

    @invariant()
    def counters_decide_what_everybody_would(self) -> None:
        world, some = self.world, sliced(self.world.policy, self.world.facts)
        assert decide(world.policy, some, world.now) == decide(world.policy, world.facts, world.now)
        for index in range(len(some.phases)):
            assert Watch(some, world.now, 60.0).counts(index) == Watch(world.facts, world.now, 60.0).counts(index)

    @invariant()
    def no_more_are_unavailable_than_the_limits_say(self) -> None:
        limits, sites, lost = self.world.policy.limits, Counter[str](), Counter[str]()
        for member in self.world.facts.members:
            sites[member.site] += unavailable(member)
            lost[member.site] += gone(member)
        # Where lost ones alone fill a limit, one at a time still goes back; nothing else ever goes beyond it.
        one = self.world.rollout in STOPPED
        if limits.max_unavailable is not None:
            assert sum(sites.values()) <= max(limits.max_unavailable, one * (sum(lost.values()) + 1))
        if limits.per_site_unavailable is not None:
            assert all(n <= max(limits.per_site_unavailable, one * (lost[s] + 1)) for s, n in sites.items())

    @invariant()
    def no_phase_begins_without_the_pass_of_the_one_before(self) -> None:
        states = [phase.state for phase in self.world.facts.phases]
        for index, state in enumerate(states):
            if state not in (PhaseState.PENDING,):
                assert all(before is PhaseState.PASSED for before in states[:index])
            if state is PhaseState.PASSED:
                assert index in self.passed

    @invariant()
    def a_way_back_ends_or_somebody_is_still_at_it(self) -> None:
        """Where nothing is decided, a connected device is on its way, a share bakes, or a person is asked."""
        facts = self.world.facts
        if self.world.rollout is not RolloutState.REVERTING or decide(self.world.policy, facts, self.world.now):
            return
        orders = [a for m in facts.members if m.online for a in (m.attempt, m.revert) if a and a.outcome is None]
        assert orders or facts.back.held or facts.back.baking_at is not None

    @invariant()
    def nobody_is_tried_again_more_often_than_the_policy_says(self) -> None:
        retries = self.world.policy.retry
        for member in self.world.facts.members:
            assert all(count <= retries.of(Failure(f)) for f, count in member.tries.items() if f != "server")

    @invariant()
    def nothing_unswitched_stays_open_after_a_stop(self) -> None:
        if self.world.rollout in STOPPED and not decide(self.world.policy, self.world.facts, self.world.now):
            attempts = [m.attempt for m in self.world.facts.members if m.attempt is not None]
            assert all(a.outcome is not None or a.past_the_switch for a in attempts)

    def replayed(self) -> None:
        world = self.world
        again = decide(copy.deepcopy(world.policy), copy.deepcopy(world.facts), world.now)
        assert again == decide(world.policy, world.facts, world.now)

    def check(self, was: RolloutState, decided: list[d.Decision]) -> None:
        stopped = was in STOPPED
        for decision in decided:
            match decision:
                case d.Lose(device, reason) if reason.startswith("silent"):
                    assert self.quiet[device] >= self.world.policy.timeouts.lost_after_s, "our outage made it lost"
                case d.Retry(device, wait_s=wait_s):
                    assert not stopped, "a stopped rollout tried again"
                    self.not_before[device] = self.world.now + timedelta(seconds=wait_s)
                case d.PassPhase(index, _, found):
                    assert found.verdict is Verdict.PASS
                    assert found.counts.reported >= found.needed >= 1
                    self.passed.add(index)
                case d.CollapsePhase(index):
                    self.passed.add(index)
                case d.FailPhase():
                    stopped = True
                case d.Offer(device) if self.not_before.get(device, self.world.now) > self.world.now:
                    raise AssertionError("its next try came before its time")
                case d.Offer() | d.Activate(order="update") | d.Renew() | d.SwitchTogether() | d.StartPhase():
                    assert not stopped, "a release went out after a stop"

    def waits_for_approval(self) -> bool:
        index = self.world.facts.phase
        awaits = index < len(self.world.facts.phases) and self.world.phase(index) is PhaseState.AWAITING_APPROVAL
        return awaits and self.world.rollout is RolloutState.HELD


def unavailable(member: MemberFact) -> bool:
    """Counted here without the engine's help: told to switch or on its way, until it is back."""
    order = member.revert or member.attempt
    if order is None or order.outcome is not None:
        return order is not None and order.outcome is Outcome.LOST
    return order.activate or order.state not in BEFORE_ARMED


def gone(member: MemberFact) -> bool:
    order = member.revert or member.attempt
    return order is not None and order.outcome is Outcome.LOST


def sliced(policy: Policy, facts: Facts) -> Facts:
    """Everybody about whom nothing is to decide becomes a number, as the server counts them."""
    if facts.state in STOPPED:
        return facts
    begun = [phase.began_at for phase in facts.phases]
    whole, counters = dict[str, int](), [dict[str, int]() for _ in facts.phases]
    kept = []
    for member in facts.members:
        attempt = member.attempt
        at_rest = attempt is not None and attempt.outcome not in (None, Outcome.LOST) and member.revert is None
        if attempt is None or not at_rest or attempt.reason in policy.retry.kinds or attempt.strayed_at is not None:
            kept.append(member)
        else:
            tally.count(whole, counters, begun, ended(attempt), 1)
    phases = tuple(
        replace(
            phase,
            others=sum(1 for m in facts.members if m.phase == index) - sum(1 for m in kept if m.phase == index),
            ended=tally.outcomes(counters[index]),
        )
        for index, phase in enumerate(facts.phases)
    )
    return replace(facts, phases=phases, members=tuple(kept), others=Others(tally.outcomes(whole)))


def ended(attempt: AttemptFact) -> Ended:
    assert attempt.outcome is not None
    return Ended(attempt.phase, attempt.outcome, attempt.ended_at)


def run(examples: int, steps: int) -> int:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    run_state_machine_as_test(RolloutMachine, settings=chosen)
    return examples


def test_whatever_happens_the_invariants_hold() -> None:
    assert run(examples=15, steps=20)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_happens_for_long_the_invariants_hold() -> None:
    assert run(examples=150, steps=40)
