"""Who may switch when: a number at a time, one of a site, all together, in their own hours; and the way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts import switching
from surefoot_server.rollouts.facts import Watch
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState
from tests.server.rollouts.world import World, kinds

REST = """
gate: {min_reported: 0.9, max_wait: 1h, objectives: [{metric: lost, fail_if_surely_above: 90%}]}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 20m}
"""
PHASES = "phases: [{name: c, percent: 25, bake: 60s}, {name: r, percent: 100, bake: 60s}]\n"
ROLLING = "rollout: {strategy: rolling}\nlimits: {max_unavailable: 2, max_concurrent: 5}" + REST
SITES = PHASES + "limits: {per_site_unavailable: 1}" + REST
BLUE_GREEN = "rollout: {strategy: blue-green}\nlimits: {max_concurrent: 4}" + REST
NIGHT = "phases: [{percent: 100, bake: 60s}]\nlimits: {per_site_unavailable: 9, window: UTC 22:00-04:00}" + REST
ALL = tuple(f"c{i}" for i in range(1, 10))


def one_phase(policy: str, devices: int = 9, zone: str = "") -> World:
    world = World(policy, canaries=devices, rest=0, zone=zone)
    world.tick()
    return world


def watch(world: World) -> Watch:
    return Watch(world.facts, world.now, world.policy.timeouts.asleep_after_s)


# --- rolling


def test_rolling_stages_ahead_and_lets_no_more_switch_than_may_be_unavailable() -> None:
    world = one_phase(ROLLING)
    assert len(world.offered()) == 5
    assert world.activated() == set()

    world.stage(*sorted(world.offered()))
    decided = world.tick()

    assert kinds(decided) == ["Activate", "Activate"]
    assert len(world.activated()) == 2


def test_rolling_goes_on_as_devices_commit() -> None:
    world = one_phase(ROLLING)
    for _ in range(20):
        world.stage(*(name for name in world.offered() if world.member(name).attempt.state is AttemptState.OFFERED))  # type: ignore[union-attr]
        world.tick()
        assert len(world.activated()) <= 2
        world.commit(*world.activated())
        world.tick(1)
    world.tick(3600)

    assert world.rollout is RolloutState.SUCCEEDED


def test_a_device_that_was_told_to_switch_and_sleeps_keeps_its_place() -> None:
    world = one_phase(ROLLING)
    world.stage(*world.offered())
    world.tick()
    world.offline(*world.activated())

    assert "Activate" not in kinds(world.tick(600))
    assert len(world.activated()) == 2


def test_a_lost_device_keeps_its_place_until_it_is_back() -> None:
    world = one_phase(ROLLING.replace("max_unavailable: 2", "max_unavailable: 1"))
    world.stage(*world.offered())
    world.tick()
    (gone,) = world.activated()
    world.state(gone, AttemptState.PROBATION)
    world.offline(gone)

    assert kinds(world.tick(600))[:1] == ["Lose"]
    assert world.activated() == set()
    world.online(gone)
    world.end(Outcome.REVERTED, gone)
    world.tick()
    assert len(world.activated()) == 1


def test_nobody_is_told_to_switch_while_the_rollout_is_paused() -> None:
    world = one_phase(ROLLING)
    world.act(RolloutEvent.PAUSE)
    world.stage(*world.offered())

    assert world.tick(10) == []


# --- sites


def test_no_site_has_more_devices_unavailable_than_it_may() -> None:
    world = World(SITES, canaries=9, rest=0)
    world.tick()
    assert len(world.offered()) == 9
    world.stage(*ALL)

    world.tick()

    sites = [world.member(name).site for name in world.activated()]
    assert sorted(sites) == ["s0", "s1", "s2"]
    member = next(world.member(name) for name in ALL if name not in world.activated())
    why = switching.why_staged(world.policy, watch(world), 0, member)
    assert why == f"1 device is unavailable at {member.site} and the limit is 1"


def test_going_back_keeps_within_the_limit_of_each_site_too() -> None:
    world = World(SITES, canaries=9, rest=0)
    world.tick()
    for _ in range(3):
        world.stage(*(n for n in ALL if world.member(n).attempt.outcome is None))  # type: ignore[union-attr]
        world.tick()
        world.commit(*world.activated())
    world.act(RolloutEvent.REVERT)
    back = world.tick()
    assert all(isinstance(x, d.SendBack) and not x.activate for x in back)

    for name in ALL:
        stage_back(world, name)
    decided = world.tick()

    assert kinds(decided) == ["Activate"] * 3
    assert {world.member(x.device).site for x in decided if isinstance(x, d.Activate)} == {"s0", "s1", "s2"}


def stage_back(world: World, name: str) -> None:
    back = world.member(name).revert
    assert back is not None
    world.put(replace(world.member(name), revert=replace(back, state=AttemptState.STAGED)))


# --- blue-green


def test_blue_green_stages_everywhere_whatever_the_limit_of_devices_at_work() -> None:
    world = one_phase(BLUE_GREEN)
    seen = set(world.offered())
    assert len(seen) == 4
    while world.offered() != set(ALL):
        world.stage(*(n for n in world.offered() if world.member(n).attempt.state is AttemptState.OFFERED))  # type: ignore[union-attr]
        decided = world.tick()
        assert "SwitchTogether" not in kinds(decided)
    assert world.activated() == set()


def test_blue_green_switches_everyone_awake_at_the_same_time() -> None:
    world = one_phase(BLUE_GREEN, devices=4)
    world.stage("c1", "c2", "c3")
    assert world.tick() == []
    why = switching.why_staged(world.policy, watch(world), 0, world.member("c1"))
    assert why == "all devices of its phase switch together, and 1 device is not that far"

    world.stage("c4")
    decided = world.tick()

    assert kinds(decided) == ["SwitchTogether", *["Activate"] * 4]


def test_a_sleeper_does_not_hold_up_the_others_and_switches_when_it_wakes() -> None:
    world = one_phase(BLUE_GREEN, devices=4)
    world.stage("c1", "c2", "c3")
    world.offline("c4")
    decided = world.tick(90)
    assert kinds(decided) == ["SwitchTogether", *["Activate"] * 3]

    world.online("c4")
    world.stage("c4")

    assert kinds(world.tick()) == ["Activate"]


def test_who_was_not_offered_it_before_the_switch_needs_no_further_order() -> None:
    world = World(BLUE_GREEN, canaries=4, rest=0)
    world.offline("c4")
    world.tick()
    world.stage("c1", "c2", "c3")
    world.tick()
    world.online("c4")

    (offer,) = world.tick()

    assert isinstance(offer, d.Offer)
    assert offer.activate


def test_blue_green_goes_back_together_at_once() -> None:
    world = one_phase(BLUE_GREEN.replace("max_concurrent: 4", "max_concurrent: 9"))
    world.stage(*ALL)
    world.tick()
    world.commit(*ALL)
    world.policy = one_phase(BLUE_GREEN).policy
    world.act(RolloutEvent.REVERT)

    decided = world.tick()

    assert kinds(decided) == ["SendBack"] * 9
    assert all(isinstance(x, d.SendBack) and x.activate for x in decided)


def test_a_phase_that_cannot_stage_is_held_and_not_half_switched() -> None:
    world = one_phase(BLUE_GREEN, devices=4)
    world.stage("c1", "c2", "c3")
    world.state("c4", AttemptState.DOWNLOADING)
    for _ in range(7):
        world.state("c4", AttemptState.DOWNLOADING)
        world.tick(600)

    assert kinds(world.log)[-1] == "HoldPhase"
    assert world.activated() == set()
    assert world.phase(0) is PhaseState.HELD


# --- hours


def test_outside_its_hours_nobody_is_told_to_switch() -> None:
    world = one_phase(NIGHT)
    world.stage(*ALL)
    assert world.tick() == []
    why = switching.why_staged(world.policy, watch(world), 0, world.member("c1"))
    assert why == "its window is closed (UTC 22:00-04:00)"

    world.now += timedelta(hours=10)
    world.stage(*ALL)

    assert set(kinds(world.tick())) == {"Activate"}


def test_a_device_that_waits_for_long_is_told_its_next_windows() -> None:
    world = one_phase(NIGHT, devices=1)
    attempt = world.member("c1").attempt
    assert attempt is not None
    assert attempt.windows_until is not None
    world.offline("c1")
    world.now = attempt.windows_until - switching.RENEW_BEFORE + timedelta(hours=1)

    decided = world.tick()

    assert "Renew" in kinds(decided)
    assert world.tick() == []


def test_a_device_with_many_hours_a_day_is_not_told_new_ones_at_every_look() -> None:
    hours = ", ".join(f"{h:02}:00-{h:02}:30" for h in range(0, 24, 3))
    world = one_phase(NIGHT.replace("UTC 22:00-04:00", f"'UTC {hours}'"), devices=1)
    world.offline("c1")

    renewed = [kinds(world.tick(600)).count("Renew") for _ in range(144)]

    assert sum(renewed) <= 1


def test_in_frozen_days_nothing_is_offered() -> None:
    world = World(PHASES + "limits: {freeze: [2026-03-01/2026-03-02]}" + REST)
    assert kinds(world.tick()) == ["StartPhase"]

    assert kinds(world.tick(2 * 86400))[:1] == ["Offer"]


def test_a_device_is_not_timed_out_for_a_window_that_is_closed() -> None:
    policy = PHASES + "limits: {download_window: UTC 20:00-22:00}" + REST
    world = World(policy, canaries=1)
    world.tick()
    world.state("c1", AttemptState.DOWNLOADING)

    assert kinds(world.tick(7 * 3600)) in ([], ["HoldPhase"])
    assert world.member("c1").attempt.outcome is None  # type: ignore[union-attr]
    assert kinds(world.tick(3600 + 1140)) in ([], ["HoldPhase"])
    assert "TimeOut" in kinds(world.tick(120))
