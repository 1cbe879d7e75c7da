"""A course against the engine itself: asked at every event, of every member, it decides the same at that moment."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot_server.rollouts.forecast.assumed import Assumed, Group, Model, Offline, Rates, Took
from surefoot_server.rollouts.forecast.course import Course, Played
from surefoot_server.rollouts.forecast.draws import draw
from surefoot_server.rollouts.forecast.people import from_groups
from surefoot_server.rollouts.judge import Look
from surefoot_server.rollouts.policy import parse
from surefoot_shared.status import RolloutState
from tests.server.rollouts.forecast.replay import Replay
from tests.server.rollouts.world import START

LADDER = "phases: [{percent: 10, min_devices: 4, bake: 30m}, {percent: 40, bake: 30m}, {percent: 100, bake: 30m}]\n"
STEPS = "timeouts: {step: 30d, lost_after: 15m}\n"
OBJECTIVES = (
    "{metric: failed, fail_if_surely_above: 2%}, {metric: lost, fail_if_surely_above: 2%}, "
    "{metric: reverted, fail_if_surely_above: 5%, tripwire: 3}"
)
GATE = f"gate: {{min_reported: 0.9, max_wait: 6h, objectives: [{OBJECTIVES}]}}\n"
POLICIES = {
    "a ladder": LADDER + GATE + STEPS,
    "a narrow budget": LADDER + GATE + STEPS + "limits: {max_concurrent: 3}\n",
    "an approval in between": LADDER.replace("{percent: 40,", "{percent: 40, approval: {by: releaser},") + GATE + STEPS,
    "one at a site": LADDER + GATE + STEPS + "limits: {per_site_unavailable: 1}\n",
    "rolling": "rollout: {strategy: rolling}\n" + GATE + STEPS + "limits: {max_unavailable: 3}\n",
    "a window at night": LADDER + GATE.replace("6h", "3d") + STEPS + 'limits: {window: "site-local 01:00-05:00"}\n',
    "both windows": LADDER
    + GATE.replace("6h", "3d")
    + STEPS
    + 'limits: {window: "site-local 01:00-05:00", download_window: "UTC 20:00-21:00", per_site_unavailable: 2}\n',
    "a freeze": LADDER + GATE.replace("6h", "5d") + STEPS + "limits: {freeze: [2026-03-01/2026-03-02]}\n",
    "blue-green": "rollout: {strategy: blue-green}\n" + LADDER + GATE + STEPS,
    "held at a doubt": LADDER + GATE.replace("2%", "8%") + STEPS,
    "proved below": LADDER + "gate: {objectives: [{metric: failed, pass_if_proved_below: 40%}]}\n" + STEPS,
}
RATES = {
    "healthy": Rates(0.01, 0.01, 0.01, 0.0),
    "losing": Rates(0.0, 0.0, 0.02, 0.05),
    "bad": Rates(0.02, 0.05, 0.3, 0.02),
}
FLEET = [Group(25, "pi", "a", 4, "Asia/Tokyo"), Group(15, "jetson", "b", 3, "America/New_York")]
SLEEPY = Assumed(offline=Offline(0.2, 3600.0, 0.03), download=Took(240, 3000))


def played(text: str, seed: int, rates: Rates, fleet: list[Group]) -> tuple[Played, Replay]:
    policy = parse(text)
    people = from_groups(policy, fleet, f"salt{seed}")
    draws = draw(people, SLEEPY, Model(rates), np.random.default_rng(seed))
    replay = Replay(text, people, draws, SLEEPY.approval_s)
    replay.play()
    return Course(policy, people, draws, START, SLEEPY.approval_s, _no_look).play(), replay


def _no_look(*_: object) -> Look:
    raise AssertionError("no metric is judged here")


def same(text: str, seed: int, rates: Rates, fleet: list[Group]) -> RolloutState:
    course, replay = played(text, seed, rates, fleet)

    assert [(n.at_s, n.kind, n.phase) for n in course.noted] == replay.noted
    assert course.state is replay.rollout
    assert course.peak == replay.peak
    assert course.offered == len(replay.offered())
    return course.state


@pytest.mark.parametrize("rates", RATES)
def test_a_small_fleet_climbs_or_fails_as_the_engine_says(rates: str) -> None:
    same(POLICIES["a ladder"], 5, RATES[rates], [Group(5, "pi", "a")])


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_the_forecast_decides_what_the_engine_decides_when_it_is_asked_at_every_event(policy: str) -> None:
    ends = {same(POLICIES[policy], seed, rates, FLEET) for seed in range(2) for rates in RATES.values()}

    assert len(ends) > 1, "more than one kind of end was compared"


def test_a_phase_that_runs_out_of_patience_does_what_the_policy_says() -> None:
    course = alone(LADDER + "triggers: {not_passed: {within: 10m, do: halt}}\n")

    assert (course.state, course.seconds) == (RolloutState.HALTED, 600.0)
    assert "has not passed within" in course.reason


def test_a_rollout_over_nobody_ends_at_once() -> None:
    course = alone(LADDER, frozenset({"other"}))

    assert (course.state, course.offered) == (RolloutState.SUCCEEDED, 0)


def test_the_same_draws_give_the_same_course() -> None:
    assert alone(LADDER) == alone(LADDER)


def alone(text: str, hardware: frozenset[str] | None = None) -> Played:
    policy = parse(text)
    people = from_groups(policy, FLEET, "salt", hardware)
    draws = draw(people, SLEEPY, Model(), np.random.default_rng(1))
    return Course(policy, people, draws, START, 0.0, _no_look).play()
