"""A phase that waits says for what, with the numbers, and until when."""

from __future__ import annotations

from surefoot_server.rollouts.facts import Watch
from surefoot_server.rollouts.waiting import bake_left_s, waits_for
from tests.server.rollouts.world import TWO_PHASES, World


def watch(world: World) -> Watch:
    return Watch(world.facts, world.now, world.policy.timeouts.asleep_after_s)


def baking_on_too_few() -> World:
    """Two of three canaries sleep and all three are to report, so a single report is all there is."""
    world = World(TWO_PHASES.replace("percent: 25,", "percent: 25, min_devices: 3,"))
    world.offline("c2", "c3")
    world.tick()
    world.commit("c1")
    world.tick()
    return world


def test_a_bake_that_goes_on_waits_for_nothing_but_time() -> None:
    world = baking_on_too_few()
    world.tick(20)

    assert bake_left_s(world.policy, watch(world), 0) == 40
    assert waits_for(world.policy, watch(world), 0) == ""


def test_after_the_bake_missing_reports_are_counted_and_the_end_is_named() -> None:
    world = baking_on_too_few()
    world.tick(120)

    said = waits_for(world.policy, watch(world), 0)

    assert said == (
        "the bake is over and it waits for reports until 2026-03-01 13:00 UTC: "
        "1 of 1 due devices reported, at least 3 needed"
    )


def test_time_in_which_the_server_was_down_moves_the_end() -> None:
    world = baking_on_too_few()
    world.down(600)
    world.tick(120)

    assert "until 2026-03-01 13:10 UTC" in waits_for(world.policy, watch(world), 0)


def test_a_phase_that_is_held_or_not_the_current_one_waits_for_no_report() -> None:
    world = baking_on_too_few()
    world.tick(3600)

    assert waits_for(world.policy, watch(world), 0) == ""
    assert waits_for(world.policy, watch(world), 1) == ""


def test_a_phase_whose_metrics_sent_nothing_says_that_it_waits_for_samples() -> None:
    fps = "objectives: [{metric: camera_fps, min: 5}]"
    world = World(TWO_PHASES.replace("max_wait: 1h", f"max_wait: 1h, {fps}"))
    world.tick()
    world.commit("c1", "c2", "c3")
    world.tick()
    world.tick(90)

    said = waits_for(world.policy, watch(world), 0)

    assert said == "the bake is over and it waits for samples of camera_fps until 2026-03-01 13:00 UTC"
