"""The engine as a conversation: what the fleet says, what the engine decides; and what it must never decide."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.engine import decide
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState
from tests.server.rollouts.world import TWO_PHASES, World, kinds

CANARIES = ("c1", "c2", "c3")
KEEP = TWO_PHASES + "on_fail: {committed_devices: keep}\n"


def baking() -> World:
    world = World()
    world.tick()
    world.commit(*CANARIES)
    world.tick()
    return world


def in_the_rest() -> World:
    world = baking()
    world.tick(60)
    return world


# --- going forward


def test_the_first_phase_offers_to_its_own_devices_and_nobody_else() -> None:
    world = World()

    decided = world.tick()

    assert kinds(decided) == ["StartPhase", "Offer", "Offer", "Offer"]
    assert world.offered() == set(CANARIES)
    assert all(x.reason for x in decided)


def test_a_phase_bakes_when_its_devices_committed_and_advances_on_its_verdict() -> None:
    world = World()
    world.tick()
    world.commit(*CANARIES)

    assert kinds(world.tick()) == ["BeginBake"]
    assert kinds(world.tick(59)) == []
    decided = world.tick(1)

    assert kinds(decided)[:2] == ["PassPhase", "StartPhase"]
    assert len(world.offered()) == 12


def test_the_last_phase_passing_ends_the_rollout_as_succeeded() -> None:
    world = in_the_rest()
    world.commit(*(f"r{i}" for i in range(1, 10)))

    decided = world.tick() + world.tick(60)

    assert kinds(decided) == ["BeginBake", "PassPhase", "Finish"]
    assert world.rollout is RolloutState.SUCCEEDED


def test_asking_again_without_news_decides_nothing() -> None:
    world = World()
    world.tick()

    assert world.tick() == []
    assert world.tick(1) == []


def test_the_same_facts_give_the_same_decisions() -> None:
    world = World()

    assert decide(world.policy, world.facts, world.now) == decide(world.policy, world.facts, world.now)


def test_no_more_devices_are_at_work_than_the_limit_allows() -> None:
    world = World(TWO_PHASES + "limits: {max_concurrent: 2}\n")
    world.tick()
    assert len(world.offered()) == 2

    world.commit(*sorted(world.offered())[:1])
    decided = world.tick()

    assert kinds(decided) == ["Offer"]


def test_a_lost_device_keeps_using_up_the_budget() -> None:
    text = TWO_PHASES.replace("max_wait: 1h", "max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: 50%}]")
    world = World(text + "limits: {max_concurrent: 1}\n")
    world.tick()
    lost = next(iter(world.offered()))
    world.state(lost, AttemptState.PROBATION)
    world.offline(lost)

    decided = world.tick(600)

    assert kinds(decided) == ["Lose"]


def test_an_empty_phase_collapses_visibly() -> None:
    world = World(canaries=0)

    decided = world.tick()

    assert kinds(decided)[:2] == ["CollapsePhase", "StartPhase"]
    assert world.phase(0) is PhaseState.PASSED


def test_a_rollout_in_which_all_are_satisfied_succeeds_and_says_so() -> None:
    world = World(canaries=0, rest=0)

    decided = world.tick()

    assert kinds(decided) == ["CollapsePhase", "CollapsePhase", "Finish"]
    assert "already" in decided[-1].reason


# --- never on completion alone


def test_all_devices_having_ended_is_no_reason_to_advance() -> None:
    world = World()
    world.tick()
    world.end(Outcome.REFUSED, *CANARIES)

    decided = world.tick()

    assert kinds(decided) == ["HoldPhase"]
    assert world.tick(3600) == []
    assert world.rollout is RolloutState.HELD
    assert world.offered() == set(CANARIES)


def test_no_data_is_held_and_never_passed() -> None:
    world = World()
    world.offline(*CANARIES)
    world.tick()

    decided = world.tick(3600)

    assert kinds(decided) == ["HoldPhase"]
    assert world.offered() == set()


def test_devices_that_others_took_over_are_no_evidence() -> None:
    world = World()
    world.tick()
    world.end(Outcome.SUPERSEDED, *CANARIES)

    decided = world.tick()

    assert kinds(decided) == ["HoldPhase"]
    assert world.facts.phase == 0


def test_one_awake_device_of_twenty_is_not_the_whole_evidence() -> None:
    world = World(TWO_PHASES.replace("percent: 25,", "percent: 25, min_devices: 20,"), canaries=20)
    world.offline(*(f"c{i}" for i in range(2, 21)))
    world.tick()
    world.commit("c1")
    world.tick()

    decided = world.tick(120)

    assert decided == []
    assert world.phase(0) is PhaseState.BAKING


def test_an_inconclusive_phase_fails_where_the_policy_says_so() -> None:
    world = World(TWO_PHASES.replace("max_wait: 1h", "max_wait: 1h, on_inconclusive: fail"))
    world.offline(*CANARIES)
    world.tick()

    decided = world.tick(3600)

    assert kinds(decided)[:1] == ["FailPhase"]
    assert world.rollout is RolloutState.FAILED


# --- failing


def test_a_tripwire_stops_the_rollout_before_its_bake_ends() -> None:
    world = World()
    world.tick()
    world.commit("c1")
    world.end(Outcome.REVERTED, "c2", "c3")

    decided = world.tick()

    assert kinds(decided) == ["FailPhase", "SendBack"]
    assert isinstance(decided[0], d.FailPhase)
    assert decided[0].halt
    assert "2 of 3 devices reverted" in decided[0].reason
    assert world.offered() == set(CANARIES)


def test_healthy_canaries_go_back_too_and_nobody_else_is_touched() -> None:
    world = World()
    world.tick()
    world.commit("c1")
    world.end(Outcome.REVERTED, "c2", "c3")
    world.tick()
    world.end_revert("c1")

    decided = world.tick()

    assert kinds(decided) == ["EndRevert"]
    assert world.rollout is RolloutState.FAILED
    assert [x.device for x in world.log if isinstance(x, d.SendBack)] == ["c1"]


def test_kept_devices_stay_and_the_rollout_fails_at_once() -> None:
    world = World(KEEP)
    world.tick()
    world.commit("c1")
    world.end(Outcome.REVERTED, "c2", "c3")

    world.tick()

    assert world.rollout is RolloutState.FAILED
    assert not any(isinstance(x, d.SendBack) for x in world.log)


def test_a_failing_rollout_withdraws_whoever_has_not_switched_and_orders_back_whoever_has() -> None:
    world = in_the_rest()
    world.state("r1", AttemptState.DOWNLOADING)
    world.state("r2", AttemptState.PROBATION)
    world.end(Outcome.REVERTED, "r3", "r4")

    world.tick()

    withdrawn = {x.device for x in world.log if isinstance(x, d.Withdraw)}
    back = {x.device for x in world.log if isinstance(x, d.SendBack)}
    assert withdrawn == {"r1", "r5", "r6", "r7", "r8", "r9"}
    assert back == {"r2", *CANARIES}


def test_the_last_phase_failing_ends_the_rollout_as_failed() -> None:
    world = in_the_rest()
    world.end(Outcome.REVERTED, "r1", "r2")
    world.tick()
    for name in CANARIES:
        world.end_revert(name)

    world.tick()

    assert world.rollout is RolloutState.FAILED
    assert world.phase(1) is PhaseState.FAILED


@pytest.mark.parametrize("act", [RolloutEvent.PAUSE, RolloutEvent.HOLD])
def test_fresh_failures_count_while_a_person_thinks(act: RolloutEvent) -> None:
    world = World()
    world.tick()
    world.act(act)
    world.end(Outcome.REVERTED, "c1", "c2")

    decided = world.tick()

    assert kinds(decided)[:1] == ["FailPhase"]


def test_a_device_without_known_previous_release_keeps_what_it_has_and_is_counted() -> None:
    world = World()
    world.tick()
    world.commit("c1")
    world.put(replace(world.member("c1"), has_previous=False))
    world.end(Outcome.REVERTED, "c2", "c3")

    decided = world.tick()

    assert kinds(decided) == ["FailPhase", "EndRevert"]
    assert "1 have no earlier release that they may go back to" in decided[-1].reason


def test_a_sleeping_device_does_not_keep_the_rollout_in_reverting() -> None:
    world = World()
    world.tick()
    world.commit("c1")
    world.end(Outcome.REVERTED, "c2", "c3")
    world.offline("c1")

    world.tick()
    world.tick(120)

    assert world.rollout is RolloutState.FAILED
    assert world.member("c1").revert is not None


def test_a_device_that_reverts_by_itself_is_waited_for_and_not_ordered() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.REVERTING)
    world.end(Outcome.REVERTED, "c2", "c3")

    world.tick()
    assert world.rollout is RolloutState.REVERTING
    world.end(Outcome.REVERTED, "c1")
    world.tick()

    assert world.rollout is RolloutState.FAILED
    assert not any(isinstance(x, d.SendBack) for x in world.log)


def test_a_revert_keeps_within_the_budget_too() -> None:
    world = World(TWO_PHASES + "limits: {max_concurrent: 3}\n")
    world.tick()
    world.commit(*CANARIES)
    world.tick()
    world.policy = replace(world.policy, limits=replace(world.policy.limits, max_concurrent=1))
    world.act(RolloutEvent.REVERT)

    world.tick()

    assert len([x for x in world.log if isinstance(x, d.SendBack)]) == 1


# --- timers


def test_a_device_silent_after_the_switch_is_lost_and_its_loss_is_judged_at_once() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.PROBATION)
    world.offline("c1")

    assert kinds(world.tick(299)) == []
    decided = world.tick(1)

    assert kinds(decided)[:2] == ["Lose", "FailPhase"]
    assert "1 of 3 devices were lost" in decided[1].reason


def test_a_device_silent_before_the_switch_is_asleep_and_not_lost() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.DOWNLOADING)
    world.offline("c1")
    world.commit("c2", "c3")

    decided = world.tick(3000)

    assert "Lose" not in kinds(decided)
    assert "BeginBake" in kinds(decided)


def test_a_device_that_was_asleep_before_the_offer_is_never_lost() -> None:
    world = World()
    world.offline("c1")
    world.tick()
    world.commit("c2", "c3")

    decided = world.tick(100_000)

    assert "Lose" not in kinds(decided)
    assert world.member("c1").attempt is None


def test_a_connected_device_that_gets_nowhere_times_out_as_failed() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.DOWNLOADING)

    assert kinds(world.tick(599)) == []
    decided = world.tick(1)

    assert [x.device for x in decided if isinstance(x, d.TimeOut)] == ["c1", "c2", "c3"]


def test_progress_renews_the_step_timeout() -> None:
    world = World()
    world.tick()
    for _ in range(5):
        world.now += timedelta(seconds=500)
        for name in CANARIES:
            world.state(name, AttemptState.DOWNLOADING)
        assert world.tick() == []


def test_timers_stand_still_while_the_server_is_down() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.PROBATION)
    world.offline("c1")
    world.tick(100)

    world.down(86_400)

    assert kinds(world.tick(199)) == []
    assert kinds(world.tick(1))[:1] == ["Lose"]


def test_after_an_outage_devices_have_time_to_connect_before_one_is_lost() -> None:
    world = World()
    world.tick()
    world.state("c1", AttemptState.PROBATION)
    world.offline("c1")
    world.tick(299)

    world.down(3600)

    assert kinds(world.tick(179)) == []
    assert kinds(world.tick(1))[:1] == ["Lose"]


def test_a_bake_does_not_count_the_time_that_nobody_watched() -> None:
    world = baking()
    world.tick(30)

    world.down(3600)

    assert kinds(world.tick(29)) == []
    assert kinds(world.tick(1))[:1] == ["PassPhase"]


# --- sleepers


def test_a_sleeping_device_does_not_block_its_phase() -> None:
    world = World()
    world.offline("c3")
    world.tick()
    world.commit("c1", "c2")
    world.tick()

    world.tick(60)

    assert world.facts.phase == 1


def test_a_late_device_is_offered_when_it_wakes_and_counts_in_the_open_phase() -> None:
    world = World()
    world.offline("c3")
    world.tick()
    world.commit("c1", "c2")
    world.tick()
    world.tick(60)

    world.online("c3")
    decided = world.tick(1)

    assert decided == [d.Offer("c3", 1, "awake again after its phase canary")]


@pytest.mark.parametrize("act", [RolloutEvent.HALT, RolloutEvent.CANCEL, RolloutEvent.PAUSE, RolloutEvent.HOLD])
def test_a_late_device_never_starts_a_stopped_release(act: RolloutEvent) -> None:
    world = World()
    world.offline("c3")
    world.tick()
    world.commit("c1", "c2")
    world.act(act)

    world.online("c3")
    world.tick(1000)

    assert world.member("c3").attempt is None


def test_a_late_device_never_starts_a_failed_release() -> None:
    world = World()
    world.offline("c3")
    world.tick()
    world.end(Outcome.REVERTED, "c1", "c2")
    world.tick()
    assert world.rollout is RolloutState.FAILED

    world.online("c3")
    world.tick(1000)

    assert world.member("c3").attempt is None


def test_a_sleeper_gets_a_succeeded_release_when_it_wakes() -> None:
    world = World()
    world.offline("r9")
    world.tick()
    world.commit(*CANARIES)
    world.tick()
    world.tick(60)
    world.commit(*(f"r{i}" for i in range(1, 9)))
    world.tick()
    world.tick(60)
    assert world.rollout is RolloutState.SUCCEEDED

    world.online("r9")

    assert kinds(world.tick(10)) == ["Offer"]


def test_the_late_lane_closes_when_those_that_woke_go_wrong() -> None:
    world = World()
    sleepers = ("r7", "r8", "r9")
    world.offline(*sleepers)
    world.tick()
    world.commit(*CANARIES)
    world.tick()
    world.tick(60)
    world.commit(*(f"r{i}" for i in range(1, 7)))
    world.tick()
    world.tick(60)
    world.online("r7", "r8")
    world.tick()
    world.end(Outcome.REVERTED, "r7", "r8")

    world.online("r9")

    assert world.tick() == []
    assert world.member("r9").attempt is None


def test_a_device_that_a_younger_rollout_claims_is_left_alone() -> None:
    world = World()
    world.put(replace(world.member("c1"), claimed_by="r9"))

    world.tick()

    assert world.offered() == {"c2", "c3"}


# --- halt, pause, resume


def test_a_pause_offers_nothing_new_within_the_running_phase_either() -> None:
    world = World(TWO_PHASES + "limits: {max_concurrent: 1}\n")
    world.tick()
    world.act(RolloutEvent.PAUSE)
    world.commit(*world.offered())

    world.tick(10_000)

    assert len(world.offered()) == 1


def test_a_halt_leaves_nobody_proceeding_that_has_not_switched() -> None:
    world = in_the_rest()
    world.state("r1", AttemptState.STAGED)
    world.state("r2", AttemptState.ARMED)
    world.act(RolloutEvent.HALT)

    decided = world.tick()

    assert {x.device for x in decided if isinstance(x, d.Withdraw)} == {"r1", *(f"r{i}" for i in range(3, 10))}
    assert set(kinds(decided)) == {"Withdraw"}
    world.commit("r2")
    assert world.tick(100_000) == []


def test_resuming_a_halt_offers_again_what_it_withdrew() -> None:
    world = in_the_rest()
    world.act(RolloutEvent.HALT)
    world.tick()

    world.resume()
    decided = world.tick()

    assert {x.device for x in decided if isinstance(x, d.Offer)} == {f"r{i}" for i in range(1, 10)}


def test_a_rate_above_its_limit_but_not_surely_is_held_until_a_person_resumes() -> None:
    only_failed = "objectives: [{metric: failed, fail_if_surely_above: 2%, confidence: 0.9}]"
    world = World(TWO_PHASES.replace("max_wait: 1h", f"max_wait: 1h, {only_failed}"), canaries=20)
    world.tick()
    world.commit(*(f"c{i}" for i in range(1, 20)))
    world.end(Outcome.FAILED, "c20")
    world.tick()

    decided = world.tick(60)
    assert kinds(decided) == ["HoldPhase"]
    assert "not surely" in decided[0].reason
    assert world.tick(100_000) == []

    world.resume()
    decided = world.tick()

    assert kinds(decided)[:3] == ["BeginBake", "PassPhase", "StartPhase"]


def test_new_failures_after_a_resume_count_anew() -> None:
    only_failed = "objectives: [{metric: failed, fail_if_surely_above: 2%, confidence: 0.9, tripwire: 2}]"
    world = World(TWO_PHASES.replace("max_wait: 1h", f"max_wait: 1h, {only_failed}"), canaries=20)
    world.offline("c19", "c20")
    world.tick()
    world.commit(*(f"c{i}" for i in range(1, 18)))
    world.end(Outcome.FAILED, "c18")
    world.tick()
    world.tick(60)
    world.resume()
    world.online("c19", "c20")
    world.tick()
    world.end(Outcome.FAILED, "c19", "c20")

    decided = world.tick()

    assert kinds(decided)[:1] == ["FailPhase"]


# --- many worlds


FATES = (
    Outcome.COMMITTED,
    Outcome.COMMITTED,
    Outcome.COMMITTED,
    Outcome.REVERTED,
    Outcome.FAILED,
    Outcome.REFUSED,
    None,
)
STEPS = (AttemptState.DOWNLOADING, AttemptState.STAGED, AttemptState.PROBATION)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), badness=st.floats(0, 1), keep=st.booleans())
def test_whatever_the_fleet_does_the_invariants_hold(seed: int, badness: float, keep: bool) -> None:
    rng = random.Random(seed)
    world = World(KEEP if keep else TWO_PHASES, canaries=rng.randint(0, 6), rest=rng.randint(0, 20))
    for _ in range(80):
        _play(world, rng, badness)
        before = world.facts
        decided = world.tick(rng.choice([1, 10, 60, 400]))
        _check(world, before.state, decided)
    assert world.tick() == []


def _play(world: World, rng: random.Random, badness: float) -> None:
    for member in world.facts.members:
        if rng.random() < 0.05:
            (world.offline if member.online else world.online)(member.device)
        elif member.online and member.attempt is not None and member.attempt.outcome is None:
            fate = rng.choice(FATES) if rng.random() < badness else Outcome.COMMITTED
            if rng.random() < 0.5:
                world.state(member.device, rng.choice(STEPS))
            elif fate is not None:
                world.end(fate, member.device)
        elif member.online and member.revert is not None and member.revert.outcome is None:
            world.end_revert(member.device)
    if rng.random() < 0.03:
        world.down(rng.choice([60, 3600]))
    if rng.random() < 0.04:
        _meddle(world, rng)


def _meddle(world: World, rng: random.Random) -> None:
    if world.rollout in (RolloutState.HELD, RolloutState.HALTED, RolloutState.PAUSED):
        if world.facts.phase < len(world.facts.phases):
            world.resume()
    elif world.rollout is RolloutState.RUNNING:
        world.act(rng.choice([RolloutEvent.PAUSE, RolloutEvent.HALT, RolloutEvent.REVERT]))


def _check(world: World, before: RolloutState, decided: list[d.Decision]) -> None:
    facts = world.facts
    offers = [x for x in decided if isinstance(x, d.Offer)]
    assert not offers or before in (RolloutState.RUNNING, RolloutState.SUCCEEDED)
    assert len({x.device for x in offers}) == len(offers)
    for index, phase in enumerate(facts.phases):
        tried = [m.attempt for m in facts.members if m.attempt and m.attempt.phase == index]
        if phase.state is PhaseState.PASSED and any(m.phase == index for m in facts.members):
            passed = [x for x in world.log if isinstance(x, d.PassPhase) and x.phase == index]
            assert len(passed) == 1
            assert passed[0].finding.counts.of(Outcome.COMMITTED) >= 1
            assert passed[0].finding.counts.reported >= passed[0].finding.needed
        if index > facts.phase:
            assert not tried
            assert phase.state is PhaseState.PENDING
    if facts.state in (RolloutState.HALTED, RolloutState.FAILED, RolloutState.CANCELLED, RolloutState.REVERTING):
        open_ones = [m.attempt for m in facts.members if m.attempt and m.attempt.outcome is None]
        assert all(a.past_the_switch for a in open_ones)
    if facts.state is RolloutState.SUCCEEDED:
        assert all(p.state is PhaseState.PASSED for p in facts.phases)
