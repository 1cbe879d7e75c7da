"""The rollout's own state while it is played: by the tables of the server, counted as the engine counts."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.forecast.standing import Standing
from surefoot_server.rollouts.judge import Finding
from surefoot_server.rollouts.judge.rates import Counts
from surefoot_server.rollouts.policy import parse
from surefoot_shared.status import Outcome, PhaseState, RolloutState, Verdict
from tests.server.rollouts.world import START

TWO = parse("phases: [{percent: 50, bake: 60s}, {percent: 100, bake: 60s}]")


def standing() -> Standing:
    made = Standing(TWO, (5, 5), START)
    made.apply(d.StartPhase(0, "it begins"))
    return made


def finding(verdict: Verdict) -> Finding:
    return Finding(verdict, "so", Counts(5, 5, 5), 1)


def test_a_phase_goes_through_its_states_and_remembers_when() -> None:
    rollout = standing()
    rollout.now = 7_000_000

    rollout.apply(d.BeginBake(0, "all ended"))

    assert rollout.phases[0].state is PhaseState.BAKING
    assert rollout.bake_ends == 67_000_000
    assert [(n.at_s, n.kind, n.phase) for n in rollout.noted] == [(0.0, "StartPhase", 0), (7.0, "BeginBake", 0)]


def test_an_attempt_counts_in_its_phase_and_in_later_ones_that_had_begun() -> None:
    rollout = standing()
    rollout.end(0, Outcome.COMMITTED)
    rollout.apply(d.BeginBake(0, ""))
    rollout.apply(d.PassPhase(0, "", finding(Verdict.PASS)))
    rollout.apply(d.StartPhase(1, ""))

    rollout.end(0, Outcome.FAILED)

    assert dict(rollout.counts(0, 0).outcomes) == {Outcome.COMMITTED: 1, Outcome.FAILED: 1}
    assert dict(rollout.counts(1, 3).outcomes) == {Outcome.FAILED: 1}
    assert rollout.counts(1, 3).due == 4


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        (d.HoldPhase(0, "unsure", finding(Verdict.HOLD)), RolloutState.HELD),
        (d.FailPhase(0, "bad", finding(Verdict.FAIL), revert=True, halt=True), RolloutState.REVERTING),
        (d.FailPhase(0, "bad", finding(Verdict.FAIL), revert=False, halt=True), RolloutState.FAILED),
    ],
)
def test_a_verdict_ends_it_with_its_reason(decision: d.Decision, state: RolloutState) -> None:
    rollout = standing()

    rollout.apply(decision)

    assert rollout.state is state
    assert rollout.reason == decision.reason
    assert not rollout.offering


def test_people_are_asked_before_a_phase_that_wants_it() -> None:
    rollout = Standing(TWO, (5, 5), START)

    rollout.apply(d.AskApproval(0, "two must agree"))

    assert rollout.asks_people
